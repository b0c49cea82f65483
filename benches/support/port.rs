//! Free ports on loopback.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::{Context as _, Result};

static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// An address nobody listens on now, and that this process has not given out before.
///
/// Another process may still take it before its user binds it; starting a child then fails, loudly.
pub(crate) fn free() -> Result<SocketAddr> {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
        let addr = listener.local_addr()?;
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(addr.port()) {
            return Ok(addr);
        }
    }
}
