//! How much a backend is given at a time.

use crate::model::CircuitLimits;

/// The limits of one backend and what is used of them. Shared by all snapshots in which the backend is the same.
#[derive(Debug)]
pub struct Circuit {
    pub limits: CircuitLimits,
}

impl Circuit {
    pub fn new(limits: CircuitLimits) -> Self {
        Self { limits }
    }
}
