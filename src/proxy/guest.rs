//! Who is at the other end of a client's connection.

use std::net::IpAddr;

use ipnet::IpNet;

use super::headers::Sender;
use crate::model::Scheme;
use crate::net::introduction::Ends;

/// What is known of a client for as long as its connection lasts.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    /// Of the client, or of the proxy that speaks for it.
    pub(super) address: IpAddr,
    /// What backends are told by the PROXY protocol.
    pub(super) ends: Ends,
    pub(super) sender: Sender,
}

impl Guest {
    pub(super) fn new(ends: Ends, scheme: Scheme, trusted_proxies: &[IpNet]) -> Self {
        let address = ends.client.ip().to_canonical();
        Self { address, ends, sender: Sender::new(address, scheme, trusted_proxies) }
    }
}
