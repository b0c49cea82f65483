//! What a successor must know that it can't read anywhere.

use std::fmt::Display;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::bus::{BusHandle, Kept};
use crate::control::{self, ControllerHandle};
use crate::notify::{Notifier, Standing};

/// Grows when a field changes its meaning. A field that is added has a default.
const VERSION: u32 = 1;
/// How long the bus and the controller each may take to say what they know.
const PATIENCE: Duration = Duration::from_secs(1);

/// The knowledge of one process for the next one, as JSON on its way.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Keepsake {
    #[serde(default)]
    version: u32,
    /// Alerts and marks: all of them without Redis, with it those that it has not been told yet.
    #[serde(default)]
    pub(super) bus: Option<Kept>,
    /// Which canaries and backends are out, how far the turns have come, and the keys of cookies.
    #[serde(default)]
    pub(super) control: Option<control::Keepsake>,
    /// What people were told and is not over.
    #[serde(default)]
    pub(super) standing: Standing,
    /// It comes from a process that serves until this one does.
    #[serde(skip)]
    pub(super) successor: bool,
}

impl Keepsake {
    /// What this process knows now. Who does not answer within [`PATIENCE`] is left out.
    pub(super) async fn of(bus: BusHandle, controls: ControllerHandle, notifier: Notifier) -> Self {
        let bus = known("alerts and marks", bus.kept()).await;
        // Last, so that the turns are of now.
        let control = known("the state of canaries and backends", controls.keepsake()).await;
        Self { version: VERSION, bus, control, standing: notifier.standing(), successor: false }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Another version, or one that can't be read, is none: the process starts without.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self { successor: true, ..Self::read(bytes) }
    }

    fn read(bytes: &[u8]) -> Self {
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

async fn known<T, E: Display>(what: &str, asked: impl Future<Output = Result<T, E>>) -> Option<T> {
    let reason = match timeout(PATIENCE, asked).await {
        Ok(Ok(known)) => return Some(known),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    tracing::warn!(reason, "handed over without {what}");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keepsake_arrives_as_it_was_and_a_strange_one_is_none() {
        let keepsake = Keepsake { version: VERSION, bus: Some(Kept::default()), ..Keepsake::default() };
        assert!(Keepsake::from_bytes(&keepsake.to_bytes()).bus.is_some());
        for strange in ["", "[", "{}", r#"{"version":2,"bus":{"entries":[]}}"#] {
            assert!(Keepsake::from_bytes(strange.as_bytes()).bus.is_none(), "{strange}");
        }
    }
}
