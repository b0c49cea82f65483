//! The signals that the process listens to.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, which end the process. Made before anything is started, so that none is missed.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The handlers could not be installed.
    pub fn install() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next of them, and gives its name. Cancel safe.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// What a signal asks of a process that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGUSR2: start a successor and hand over to it.
    HandOver,
}

/// SIGHUP and SIGUSR2.
pub struct Orders {
    hang_up: Signal,
    user: Signal,
}

impl Orders {
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The handlers could not be installed.
    pub fn install() -> io::Result<Self> {
        Ok(Self { hang_up: signal(SignalKind::hangup())?, user: signal(SignalKind::user_defined2())? })
    }

    /// Waits for the next order. Cancel safe. Signals that come while one is dealt with are one.
    pub async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.hang_up.recv() => Order::Reload,
            _ = self.user.recv() => Order::HandOver,
        }
    }
}
