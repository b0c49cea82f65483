//! Who changes something, for the log.

use std::convert::Infallible;
use std::fmt::Display;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;

use crate::model::{Note, ServiceName};

/// Where a request came from.
pub(super) struct Operator {
    /// `None`: the listener does not say.
    address: Option<SocketAddr>,
}

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self { address: parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0) })
    }
}

impl Operator {
    /// Tells the log of a change that was made, once.
    pub(super) fn changed(&self, service: &ServiceName, change: impl Display, note: &Note) {
        let from = self.address.map(tracing::field::display);
        let (by, reason) = (note.by.as_deref(), note.reason.as_deref());
        tracing::info!(%service, %change, by, reason, from, "changed by an operator");
    }

    /// The same for a change of the whole.
    pub(super) fn changed_all(&self, change: impl Display) {
        let from = self.address.map(tracing::field::display);
        tracing::info!(%change, from, "changed by an operator");
    }
}
