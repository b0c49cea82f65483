//! A client that visits the balancer some hundred times a second, and counts who answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

const BETWEEN: Duration = Duration::from_millis(4);

/// What the clients have seen since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) stable: AtomicU64,
    pub(super) canary: AtomicU64,
    /// Answers of 500 and above, and requests without an answer.
    pub(super) failed: AtomicU64,
}

/// The running client, on a thread of its own.
pub(super) struct Traffic {
    counts: Arc<Counts>,
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

impl Traffic {
    pub(super) fn start(balancer: SocketAddr) -> anyhow::Result<Self> {
        let (counts, stop) = (Arc::new(Counts::default()), CancellationToken::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
        let (seen, ended) = (counts.clone(), stop.clone());
        let thread = std::thread::Builder::new().name("traffic".to_owned()).spawn(move || {
            runtime.block_on(ended.run_until_cancelled(visit(balancer, &seen)));
        });
        Ok(Self { counts, stop, thread: thread.context("no thread for the traffic")? })
    }

    pub(super) fn counts(&self) -> Arc<Counts> {
        self.counts.clone()
    }

    pub(super) fn stop(self) {
        self.stop.cancel();
        // A client that panicked has nothing more to say.
        let _ = self.thread.join();
    }
}

async fn visit(balancer: SocketAddr, counts: &Counts) {
    let mut tick = tokio::time::interval(BETWEEN);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = None;
    loop {
        tick.tick().await;
        match request(balancer, &mut connection).await {
            Ok(response) => {
                let served_by = response.headers().get("x-served-by").map(|by| by.as_bytes().starts_with(b"canary"));
                let track = if served_by == Some(true) { &counts.canary } else { &counts.stable };
                track.fetch_add(1, Relaxed);
                if response.status().is_server_error() || response.into_body().collect().await.is_err() {
                    counts.failed.fetch_add(1, Relaxed);
                }
            }
            Err(_) => {
                connection = None;
                counts.failed.fetch_add(1, Relaxed);
            }
        }
    }
}

async fn request(
    balancer: SocketAddr,
    connection: &mut Option<SendRequest<Empty<Bytes>>>,
) -> anyhow::Result<Response<Incoming>> {
    let sender = match connection {
        Some(sender) => sender,
        None => {
            let (sender, driver) = http1::handshake(TokioIo::new(TcpStream::connect(balancer).await?)).await?;
            tokio::spawn(driver);
            connection.insert(sender)
        }
    };
    sender.ready().await?;
    let request = Request::get("/").header("host", "demo.local").body(Empty::new())?;
    Ok(sender.send_request(request).await?)
}
