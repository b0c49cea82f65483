//! The snapshot itself.

use std::sync::Arc;

use super::{Routed, Router};

/// All routing decisions at one moment. Never changed after it was published.
#[derive(Clone, Debug, Default)]
pub struct RoutingTable {
    /// Grows by one with each publication.
    pub generation: u64,
    pub router: Arc<Router>,
    /// Indexed by what [`Router::find`] gives.
    pub services: Vec<Arc<Routed>>,
}

impl RoutingTable {
    /// The service for a host without its port and a raw path.
    pub fn route(&self, host: &str, path: &str) -> Option<&Routed> {
        self.router.find(host, path).and_then(|service| self.services.get(service)).map(AsRef::as_ref)
    }

    /// Whether a path leads to the same service however it is read.
    #[inline]
    pub fn is_unambiguous(&self, host: &str, path: &str) -> bool {
        self.router.is_unambiguous(host, path)
    }
}
