//! Who speaks for somebody else from the first byte on.

use std::net::IpAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

use super::worker::Worker;
use crate::metrics::Refused;
use crate::net::proxy_protocol::{BadHeader, receive};

/// How long a header that has not come is waited for when the worker closes.
const LAST_CALL: Duration = Duration::from_millis(100);

/// The address of the client behind `peer`. A peer in `listen.proxy_protocol` must name it, or say that it speaks for
/// itself, before anything else; what others send is not looked at. `None`: the connection is to be closed.
pub(super) async fn client(worker: &Worker, tcp: &mut TcpStream, peer: IpAddr, due: Instant) -> Option<IpAddr> {
    let address = peer.to_canonical();
    if !worker.proxy_protocol.iter().any(|network| network.contains(&address)) {
        return Some(peer);
    }
    // Boxed: most connections have no header, and would be larger for as long as they last.
    Box::pin(named(worker, tcp, peer, due)).await
}

async fn named(worker: &Worker, tcp: &mut TcpStream, peer: IpAddr, due: Instant) -> Option<IpAddr> {
    let last_call = async {
        worker.closed().await;
        sleep(LAST_CALL).await;
    };
    let received = tokio::select! {
        biased;
        received = timeout_at(due, receive(tcp)) => received,
        () = last_call => return None,
    };
    match received {
        Ok(Ok(named)) => return Some(named.unwrap_or(peer)),
        // How a proxy in front looks whether this one listens.
        Ok(Err(BadHeader::Nothing)) => return None,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "connection closed"),
        Err(_) => tracing::debug!(%peer, "connection closed: no PROXY header in time"),
    }
    worker.metrics.refused.count(Refused::ProxyProtocol);
    None
}
