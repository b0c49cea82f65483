//! The operators' door: health, metrics, state, and every change by hand.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /healthz` | 200 while the process runs |
//! | `GET /readyz` | 200 when traffic may be sent here, else 503 with the reason |
//! | `GET /metrics` | Prometheus text |
//! | `GET /api/v1/services` | every service with tracks, backends, gate |
//! | `GET /api/v1/services/{name}` | one of them |
//! | `PUT /api/v1/services/{name}/alert` | raises an alert; body `{"reason": .., "by": ..}` or none |
//! | `DELETE /api/v1/services/{name}/alert` | removes it; says which other owners remain |
//! | `PUT /api/v1/services/{name}/weights` | other weights than the file's: `{"stable": 9, "canary": 1}` |
//! | `DELETE /api/v1/services/{name}/weights` | the file's weights again |
//! | `PUT /api/v1/services/{name}/ejection` | takes the canary out |
//! | `DELETE /api/v1/services/{name}/ejection` | lets it prove itself again |
//! | `POST /api/v1/services/{name}/backends/{id}/drain` | no new requests; `?wait=30s` answers when it is idle |
//! | `POST /api/v1/services/{name}/backends/{id}/undrain` | ends that |
//! | `POST /api/v1/services/{name}/lease` | leave to take one backend of stable down: `{"backend": .., "ttl": ..}` |
//! | `PUT /api/v1/services/{name}/lease/{id}` | lets it last longer |
//! | `DELETE /api/v1/services/{name}/lease/{id}` | ends it |
//! | `POST /api/v1/reload` | reads the configuration again |
//!
//! Every change takes `reason` and `by` in its body, answers with what stands after it, and is logged once. A refusal
//! is `{"error": .., "remedy": ..}`.

mod alert;
mod drain;
mod ejection;
mod lease;
mod operator;
mod ready;
mod refusal;
mod reload;
mod services;
mod standing;
mod token;
mod wanted;
mod weights;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post, put};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::status::FleetStatus;
use crate::bus::BusHandle;
use crate::metrics::Metrics;
use crate::model::Secret;

pub use ready::Readiness;
pub use reload::{Reloaded, Reloads};

/// Largest body of a request to the admin listener, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// What the admin listener works with.
#[derive(Clone)]
pub struct Admin {
    pub status: watch::Receiver<Arc<FleetStatus>>,
    pub readiness: Readiness,
    pub metrics: Metrics,
    pub bus: BusHandle,
    /// When set, every change needs it.
    pub token: Option<Arc<Secret>>,
    /// `None`: there is no file to read again.
    pub reload: Option<Reloads>,
}

impl Admin {
    /// Everything.
    pub fn router(self) -> Router {
        let changes = Router::new()
            .route("/api/v1/reload", post(reload::reload))
            .route("/api/v1/services/{name}/alert", put(alert::raise).delete(alert::clear))
            .route("/api/v1/services/{name}/weights", put(weights::set).delete(weights::reset))
            .route("/api/v1/services/{name}/ejection", put(ejection::eject).delete(ejection::readmit))
            .route("/api/v1/services/{name}/backends/{id}/drain", post(drain::drain))
            .route("/api/v1/services/{name}/backends/{id}/undrain", post(drain::undrain))
            .route("/api/v1/services/{name}/lease", post(lease::grant))
            .route("/api/v1/services/{name}/lease/{id}", put(lease::renew).delete(lease::release))
            .layer(axum::middleware::from_fn_with_state(self.clone(), token::required));
        Self::observation()
            .route("/api/v1/services", get(services::all))
            .route("/api/v1/services/{name}", get(services::one))
            .merge(changes)
            .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
            .with_state(self)
    }

    /// Metrics and health only, for `admin.metrics_listen`.
    pub fn metrics_router(self) -> Router {
        Self::observation().with_state(self)
    }

    fn observation() -> Router<Self> {
        Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
    }
}

/// Serves `router` until `stop`. Requests in hand are answered first.
///
/// # Errors
/// The listener could not be used.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], admin.metrics.render())
}

async fn readyz(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    match admin.readiness.why_not(&admin.status.borrow()) {
        None => (StatusCode::OK, "ready\n"),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    }
}
