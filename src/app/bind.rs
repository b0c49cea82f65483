//! Every socket, bound or taken over before anything is started.

use std::net::{SocketAddr, TcpListener};

use anyhow::Context;

use super::door::{Door, Inherited, Label, Origin, Purpose};
use crate::model::{Scheme, Settings};
use crate::net::bind;
use crate::proxy::Listener;

/// The listening sockets of a balancer.
pub struct Sockets {
    /// For each worker, its listeners: one of every address, or more where several were inherited.
    pub(super) front: Vec<Vec<Listener>>,
    pub(super) http_addresses: Vec<SocketAddr>,
    pub(super) https_addresses: Vec<SocketAddr>,
    pub(super) admin: TcpListener,
    pub(super) admin_address: SocketAddr,
    pub(super) metrics: Option<TcpListener>,
    /// Inherited sockets that nothing in the configuration asks for: what waits in them is served.
    pub(super) leftover: Vec<Listener>,
    /// All of them but the leftover ones once more, to be handed on.
    pub(super) doors: Vec<Door>,
}

impl Sockets {
    /// Whether TLS is spoken on any of them.
    pub(super) fn have_tls(&self) -> bool {
        self.front.iter().flatten().chain(&self.leftover).any(|listener| listener.scheme == Scheme::Https)
    }

    /// Takes the inherited sockets that the configuration asks for, and binds the other addresses. All, or none.
    ///
    /// An inherited socket is the same socket still, with all that waits in it. Where there are fewer of them than
    /// workers they share them: a further one of our own beside them would lose what waits in it when it is closed.
    ///
    /// # Errors
    /// Names the first address that can't be had, its key and a remedy.
    pub fn bind(settings: &Settings, mut inherited: Inherited) -> anyhow::Result<Self> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if settings.listen.workers == 0 { cores() } else { settings.listen.workers };

        let mut front = |purpose, key, addresses: &[SocketAddr]| -> anyhow::Result<Vec<Door>> {
            let mut found = inherited.claim_of_unit(purpose);
            for address in addresses {
                let covered = |door: &Door| door.label.origin == Origin::Unit && bind::covers(door.address, *address);
                if !found.iter().any(covered) {
                    found.extend(doors(&mut inherited, purpose, key, *address, workers)?);
                }
            }
            Ok(found)
        };
        let http = front(Purpose::Http, "listen.http", &settings.listen.http)?;
        let https = front(Purpose::Https, "listen.https", &settings.listen.https)?;
        let mut single = |purpose, key, address| -> anyhow::Result<Door> {
            let mut found = inherited.claim_of_unit(purpose);
            if found.is_empty() {
                found = doors(&mut inherited, purpose, key, address, 1)?;
            }
            Ok(found.swap_remove(0))
        };
        let admin = single(Purpose::Admin, "admin.listen", settings.admin.listen)?;
        let metrics = settings.admin.metrics_listen;
        let metrics = metrics.map(|address| single(Purpose::Metrics, "admin.metrics_listen", address)).transpose()?;

        // Told only now: a balancer that can't have every address listens on none.
        let [http_addresses, https_addresses] = [&http, &https].map(|doors| addresses(doors));
        let listeners = http_addresses.iter().map(|address| ("http", *address));
        let listeners = listeners.chain(https_addresses.iter().map(|address| ("https", *address)));
        let listeners = listeners.chain([("admin", admin.address)]);
        for (listener, address) in listeners.chain(metrics.as_ref().map(|metrics| ("metrics", metrics.address))) {
            tracing::info!(listener, %address, "listening");
        }
        let leftover = inherited.rest();
        for door in &leftover {
            tracing::info!(address = %door.address, "address is not configured: serving what waits there, then closing");
        }

        let again =
            http.iter().chain(&https).chain([&admin]).chain(&metrics).map(Door::again).collect::<std::io::Result<_>>();
        Ok(Self {
            doors: again.context("a listening socket could not be duplicated")?,
            http_addresses,
            https_addresses,
            admin_address: admin.address,
            admin: admin.socket,
            metrics: metrics.map(|metrics| metrics.socket),
            leftover: leftover
                .iter()
                .map(listener)
                .collect::<std::io::Result<_>>()
                .context("a listening socket is lost")?,
            front: spread(http.into_iter().chain(https).collect(), workers)
                .context("a listening socket could not be shared among the workers")?,
        })
    }
}

/// The sockets for `address`, inherited or bound, one for each worker in the latter case.
fn doors(
    inherited: &mut Inherited,
    purpose: Purpose,
    key: &str,
    address: SocketAddr,
    workers: usize,
) -> anyhow::Result<Vec<Door>> {
    let found = inherited.claim_address(purpose, address);
    if !found.is_empty() {
        return Ok(found);
    }
    let label = Label { purpose: Some(purpose), origin: Origin::Own };
    let bound = bind::listeners(address, workers);
    let bound = bound.and_then(|sockets| sockets.into_iter().map(|socket| Door::new(label, socket)).collect());
    bound.with_context(|| {
        let remedy = "stop what listens there, choose another address, or allow the port (CAP_NET_BIND_SERVICE)";
        format!("cannot listen on `{address}` ({key}); {remedy}")
    })
}

fn addresses(doors: &[Door]) -> Vec<SocketAddr> {
    let mut addresses: Vec<_> = doors.iter().map(|door| door.address).collect();
    addresses.dedup();
    addresses
}

/// Gives every socket to a worker, and every worker a socket of each address.
fn spread(doors: Vec<Door>, workers: usize) -> std::io::Result<Vec<Vec<Listener>>> {
    let mut spread: Vec<Vec<Listener>> = (0..workers).map(|_| Vec::new()).collect();
    for group in doors.chunk_by(|a, b| a.address == b.address) {
        for place in 0..workers.max(group.len()) {
            spread[place % workers].push(listener(&group[place % group.len()])?);
        }
    }
    Ok(spread)
}

fn listener(door: &Door) -> std::io::Result<Listener> {
    let scheme = if door.label.purpose == Some(Purpose::Https) { Scheme::Https } else { Scheme::Http };
    Ok(Listener { scheme, socket: door.socket.try_clone()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors_of(sockets: usize) -> Vec<Door> {
        let label = Label { purpose: Some(Purpose::Http), origin: Origin::Own };
        let sockets = bind::listeners(SocketAddr::from(([127, 0, 0, 1], 0)), sockets).unwrap();
        sockets.into_iter().map(|socket| Door::new(label, socket).unwrap()).collect()
    }

    #[test]
    fn no_worker_is_without_a_socket_and_no_socket_without_a_worker() {
        for (sockets, workers, each) in [(2, 2, [1, 1]), (3, 2, [2, 1]), (1, 2, [1, 1])] {
            let given: Vec<_> = spread(doors_of(sockets), workers).unwrap().iter().map(Vec::len).collect();
            assert_eq!(given, each, "{sockets} sockets, {workers} workers");
        }
        let two_addresses = doors_of(1).into_iter().chain(doors_of(1)).collect();
        assert!(spread(two_addresses, 3).unwrap().iter().all(|of_worker| of_worker.len() == 2));
    }
}
