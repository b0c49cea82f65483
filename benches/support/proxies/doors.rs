//! Where a proxy listens: one address for each way of being spoken to.

use std::net::SocketAddr;

use anyhow::Result;

use super::Kind;
use crate::support::port;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Doors {
    /// HTTP/1.1 on plain text.
    pub(crate) plain: SocketAddr,
    /// TLS 1.3 with HTTP/2 and HTTP/1.1, when the job brings a certificate.
    pub(crate) tls: SocketAddr,
    /// HTTP/2 with prior knowledge on plain text, when the job brings a certificate.
    pub(crate) h2c: SocketAddr,
}

impl Doors {
    /// Coalmine tells both versions apart on one address.
    pub(super) fn open(kind: Kind) -> Result<Self> {
        let plain = port::free()?;
        let h2c = if kind == Kind::Coalmine { plain } else { port::free()? };
        Ok(Self { plain, tls: port::free()?, h2c })
    }
}
