//! What systemd gives and is told. Without systemd nothing here does anything.
//!
//! - Sockets of a socket unit, by the names `http`, `admin` and `metrics` or by their addresses.
//! - Sockets that this program put into the unit's store (`FileDescriptorStoreMax=`), so that a restart refuses nobody.
//! - Notifications (`Type=notify`): ready, reloading, stopping, which process is the main one, alive.

use std::os::fd::AsFd;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;

use super::door::{Door, Inherited, Label, Origin, Purpose};
use crate::control::Heartbeat;

/// Before the name of a socket in the store, to tell it from one of a socket unit.
const STORED: &str = "stored-";
/// Sockets in one notification; the kernel takes 253.
const SOCKETS: usize = 64;

/// The sockets that this process was started with.
pub(super) fn sockets() -> Inherited {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut given = ListenFd::from_env();
    let mut doors = Vec::new();
    for place in 0..given.len() {
        let label = label(names.next().unwrap_or_default());
        let door = given.take_tcp_listener(place).and_then(|socket| socket.map(|it| Door::new(label, it)).transpose());
        match door {
            Ok(door) => doors.extend(door),
            Err(error) => tracing::warn!(%error, place, "a socket from systemd can't be used"),
        }
    }
    Inherited::new(doors)
}

fn label(name: &str) -> Label {
    match name.strip_prefix(STORED) {
        Some(name) => Label { purpose: Purpose::named(name), origin: Origin::Own },
        None => Label { purpose: Purpose::named(name), origin: Origin::Unit },
    }
}

/// Puts the sockets that are no unit's into the store, and takes those out that are not used any more.
pub(super) fn store(doors: &[Door]) {
    for purpose in [Purpose::Http, Purpose::Admin, Purpose::Metrics] {
        let name = format!("{STORED}{}", purpose.as_str());
        let wanted = Label { purpose: Some(purpose), origin: Origin::Own };
        let sockets: Vec<_> =
            doors.iter().filter(|door| door.label == wanted).map(|door| door.socket.as_fd()).collect();
        tell(&[NotifyState::FdStoreRemove, NotifyState::FdName(&name)]);
        for some in sockets.chunks(SOCKETS) {
            said(sd_notify::notify_with_fds(&[NotifyState::FdStore, NotifyState::FdName(&name)], some));
        }
    }
}

pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no clock"),
    }
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Another process goes on as the service.
pub(super) fn main_process(pid: u32) {
    tell(&[NotifyState::MainPid(pid)]);
}

/// Tells systemd that this process is alive, for as long as the controller is. Ends at once when nobody asks.
pub(super) async fn watchdog(heartbeat: Heartbeat) {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| *limit > Duration::ZERO) else { return };
    let mut turns = tokio::time::interval(limit / 3);
    loop {
        turns.tick().await;
        if heartbeat.age() < limit / 2 {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    said(sd_notify::notify(state));
}

fn said(outcome: std::io::Result<()>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "systemd can't be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_a_socket_is_for_and_whose_it_is() {
        assert_eq!(label("http"), Label { purpose: Some(Purpose::Http), origin: Origin::Unit });
        assert_eq!(label("stored-metrics"), Label { purpose: Some(Purpose::Metrics), origin: Origin::Own });
        assert_eq!(label("coalmine.socket"), Label { purpose: None, origin: Origin::Unit });
    }
}
