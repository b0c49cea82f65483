//! The operators' door: health, metrics, state, and the alert by hand.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /healthz` | 200 while the process runs |
//! | `GET /readyz` | 200 when traffic may be sent here, else 503 with the reason |
//! | `GET /metrics` | Prometheus text |
//! | `GET /api/v1/services` | every service with tracks, backends, gate |
//! | `PUT /api/v1/services/{name}/alert` | raises an alert; body `{"reason": .., "by": ..}` or none |
//! | `DELETE /api/v1/services/{name}/alert` | removes it; says which other owners remain |

mod alert;
mod ready;
mod token;

use std::net::TcpListener;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, put};
use axum::{Json, Router};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::status::FleetStatus;
use crate::bus::BusHandle;
use crate::metrics::Metrics;
use crate::model::Secret;

pub use ready::Readiness;

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
}

impl Admin {
    /// Everything.
    pub fn router(self) -> Router {
        let alert = put(alert::raise).delete(alert::clear);
        let changes = Router::new()
            .route("/api/v1/services/{name}/alert", alert)
            .layer(axum::middleware::from_fn_with_state(self.clone(), token::required));
        Self::observation()
            .route("/api/v1/services", get(services))
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
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn services(State(admin): State<Admin>) -> Json<FleetStatus> {
    let status = admin.status.borrow().clone();
    Json(FleetStatus::clone(&status))
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
