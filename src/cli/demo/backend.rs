//! A small application that can be broken.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::Context;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Answers every request with its version, or with 500 while it is broken.
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    broken: Arc<AtomicBool>,
}

impl Backend {
    /// Listens on a free port of the loopback interface until the runtime ends.
    pub(super) async fn start(version: &'static str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no free port for a demo backend")?;
        let address = listener.local_addr().context("the demo backend has no address")?;
        let broken = Arc::new(AtomicBool::new(false));
        tokio::spawn(serve(listener, version, broken.clone()));
        Ok(Self { address, broken })
    }

    pub(super) fn break_down(&self, broken: bool) {
        self.broken.store(broken, Relaxed);
    }
}

async fn serve(listener: TcpListener, version: &'static str, broken: Arc<AtomicBool>) {
    while let Ok((tcp, _)) = listener.accept().await {
        let broken = broken.clone();
        let service = service_fn(move |_| {
            let mut response = Response::new(Full::new(Bytes::from_static(version.as_bytes())));
            if broken.load(Relaxed) {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
            std::future::ready(Ok::<_, Infallible>(response))
        });
        // A connection that breaks off is the balancer's to notice.
        tokio::spawn(async move {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(tcp), service).await;
        });
    }
}
