//! The attacks: what each writes, and how it treats the connection. The bytes come from pure functions.

mod bad_requests;
mod churn;
mod continuation;
mod empty_data;
mod handshakes;
mod hpack_bomb;
mod large_headers;
mod ping;
mod rapid_reset;
mod requests;
mod settings;
mod slow_body;
mod slow_headers;
mod unread;
mod zero_window;

use std::time::Duration;

use anyhow::Result;

/// The host that all requests name.
const HOST: &str = "localhost";

#[derive(Clone, Debug)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) door: Door,
    /// At a time.
    pub(crate) connections: u32,
    /// Written as soon as a connection is there.
    pub(crate) opening: Vec<u8>,
    pub(crate) then: Then,
    pub(crate) reads: Reads,
    /// How many requests the proxy may have in flight; 0: no limit.
    pub(crate) limit: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Plain,
    /// By prior knowledge.
    Http2,
    Tls,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    /// Closes at once.
    Close,
    /// Closes at the first bytes of an answer.
    CloseOnAnswer,
    /// Writes nothing more.
    Hold,
    /// Writes bursts, counted from 0; no wait in between if `every` is zero.
    Repeat { burst: fn(u32) -> Vec<u8>, every: Duration },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    All,
    Never,
}

impl Attack {
    /// Without any connection; an attack is this with something put in.
    fn nothing(name: &'static str, door: Door) -> Self {
        Self { name, door, connections: 0, opening: Vec::new(), then: Then::Hold, reads: Reads::All, limit: 0 }
    }

    /// Bursts of HTTP/2 frames at full speed, over few connections.
    fn flood(name: &'static str, opening: Vec<u8>, burst: fn(u32) -> Vec<u8>) -> Self {
        let then = Then::Repeat { burst, every: Duration::ZERO };
        Self { connections: 16, opening, then, ..Self::nothing(name, Door::Http2) }
    }

    fn without_reading(self, name: &'static str) -> Self {
        Self { name, reads: Reads::Never, ..self }
    }
}

pub(crate) fn all() -> Result<Vec<Attack>> {
    Ok(vec![
        Attack::nothing("none", Door::Plain),
        slow_headers::attack(),
        slow_body::attack(),
        unread::attack(),
        churn::attack(),
        bad_requests::attack(),
        large_headers::attack(),
        Attack::nothing("none, over TLS", Door::Tls),
        handshakes::attack()?,
        rapid_reset::attack(),
        continuation::attack(),
        settings::attack(),
        settings::attack().without_reading("SETTINGS flood, nothing read"),
        ping::attack(),
        ping::attack().without_reading("PING flood, nothing read"),
        empty_data::attack(),
        hpack_bomb::attack(),
        zero_window::attack(),
        requests::attack(),
    ])
}
