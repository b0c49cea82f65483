//! What a successor must know that it can't read anywhere.

use serde::{Deserialize, Serialize};

use crate::bus::{BusHandle, Kept};

/// Grows when a field changes its meaning. A field that is added has a default.
const VERSION: u32 = 1;

/// The knowledge of one process for the next one, as JSON on its way.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Keepsake {
    #[serde(default)]
    version: u32,
    /// Alerts and marks: all of them without Redis, with it those that it has not been told yet.
    #[serde(default)]
    pub(super) bus: Option<Kept>,
}

impl Keepsake {
    /// What this process knows now.
    pub(super) async fn of(bus: BusHandle) -> Self {
        let bus = bus.kept().await.inspect_err(|error| tracing::warn!(%error, "alerts and marks are not handed over"));
        Self { version: VERSION, bus: bus.ok() }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Another version, or one that can't be read, is none: the process starts without.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        match serde_json::from_slice::<Self>(bytes) {
            Ok(keepsake) if keepsake.version == VERSION => keepsake,
            Ok(Self { version, .. }) => {
                tracing::warn!(version, "what the predecessor knew is of another version");
                Self::default()
            }
            Err(error) => {
                tracing::warn!(%error, "what the predecessor knew can't be read");
                Self::default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keepsake_arrives_as_it_was_and_a_strange_one_is_none() {
        let keepsake = Keepsake { version: VERSION, bus: Some(Kept::default()) };
        assert!(Keepsake::from_bytes(&keepsake.to_bytes()).bus.is_some());
        for strange in ["", "[", "{}", r#"{"version":2,"bus":{"entries":[]}}"#] {
            assert!(Keepsake::from_bytes(strange.as_bytes()).bus.is_none(), "{strange}");
        }
    }
}
