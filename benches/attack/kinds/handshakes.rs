//! TLS handshakes that are dropped when the server has done its part.

use anyhow::Result;
use rustls::ClientConnection;
use rustls::client::Resumption;

use super::{Attack, Door, Then};
use crate::support::tls;

/// The same hello each time, so that it costs the attacker nothing.
pub(super) fn attack() -> Result<Attack> {
    let mut session = ClientConnection::new(tls::client(Resumption::disabled())?, tls::server_name())?;
    let mut opening = Vec::new();
    session.write_tls(&mut opening)?;
    let then = Then::CloseOnAnswer;
    Ok(Attack { connections: 64, opening, then, ..Attack::nothing("TLS handshakes dropped", Door::Tls) })
}
