//! Every socket, bound before anything is started.

use std::net::{SocketAddr, TcpListener};

use anyhow::Context;

use crate::model::Settings;
use crate::net::bind;

/// The bound sockets of a balancer.
pub struct Sockets {
    /// For each worker, one listener of every address.
    pub(super) http: Vec<Vec<TcpListener>>,
    pub(super) http_addresses: Vec<SocketAddr>,
    pub(super) admin: TcpListener,
    pub(super) admin_address: SocketAddr,
    pub(super) metrics: Option<TcpListener>,
}

impl Sockets {
    /// Binds all, or none.
    ///
    /// # Errors
    /// Names the first address that can't be had, its key and a remedy.
    pub fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if settings.listen.workers == 0 { cores() } else { settings.listen.workers };
        let mut http: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
        let mut http_addresses = Vec::new();
        for address in &settings.listen.http {
            let (sockets, bound) = listen("listen.http", *address, workers)?;
            http_addresses.push(bound);
            for (worker, socket) in http.iter_mut().zip(sockets) {
                worker.push(socket);
            }
        }
        let single = |key, address| -> anyhow::Result<(TcpListener, SocketAddr)> {
            let (mut sockets, bound) = listen(key, address, 1)?;
            Ok((sockets.remove(0), bound))
        };
        let (admin, admin_address) = single("admin.listen", settings.admin.listen)?;
        let metrics = settings.admin.metrics_listen.map(|address| single("admin.metrics_listen", address));
        let (metrics, metrics_address) = metrics.transpose()?.unzip();

        // Told only now: a balancer that can't have every address listens on none.
        let listeners = http_addresses.iter().map(|address| ("http", *address));
        let listeners = listeners.chain([("admin", admin_address)]).chain(metrics_address.map(|it| ("metrics", it)));
        for (listener, address) in listeners {
            tracing::info!(listener, %address, "listening");
        }
        Ok(Self { http, http_addresses, admin, admin_address, metrics })
    }
}

/// The sockets of `address`, one for each worker, and the address that they got.
fn listen(key: &str, address: SocketAddr, workers: usize) -> anyhow::Result<(Vec<TcpListener>, SocketAddr)> {
    let sockets = bind::listeners(address, workers).with_context(|| {
        let remedy = "stop what listens there, choose another address, or allow the port (CAP_NET_BIND_SERVICE)";
        format!("cannot listen on `{address}` ({key}); {remedy}")
    })?;
    let bound = sockets.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(address);
    Ok((sockets, bound))
}
