//! What systemd gives and is told. Without systemd nothing here does anything.
//!
//! - Sockets of a socket unit, by the names `http`, `https`, `admin` and `metrics` or by their addresses.
//! - Sockets that this program put into the unit's store (`FileDescriptorStoreMax=`), so that a restart refuses nobody.
//! - Notifications (`Type=notify`): ready, reloading, stopping, which process is the main one, alive.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::sync::oneshot;

use super::door::{Door, Inherited, Label, Origin, Purpose};
use crate::control::Heartbeat;

/// Before the name of a socket in the store, to tell it from one of a socket unit.
const STORED: &str = "stored-";
/// Sockets in one notification; the kernel takes 253.
const SOCKETS: usize = 64;
/// Notifications that may wait for a systemd that does not read them.
const QUEUE: usize = 64;
/// How long the end of a process waits for systemd to take the last of them.
const PATIENCE: Duration = Duration::from_secs(2);

type Notification = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// Sends notifications, in order, on a thread of its own: systemd may be busy, and a send waits for it. `None`: nobody
/// wants any.
static VOICE: LazyLock<Option<SyncSender<Notification>>> = LazyLock::new(|| {
    std::env::var_os("NOTIFY_SOCKET")?;
    let (voice, notifications) = sync_channel::<Notification>(QUEUE);
    let speak = move || {
        for notify in notifications {
            if let Err(error) = notify() {
                tracing::warn!(%error, "systemd can't be told");
            }
        }
    };
    std::thread::Builder::new().name("systemd".to_owned()).spawn(speak).ok()?;
    Some(voice)
});
/// The queue was full at the last notification.
static FULL: AtomicBool = AtomicBool::new(false);

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
pub(super) fn store(doors: &Arc<[Door]>) {
    for purpose in Purpose::ALL {
        let doors = doors.clone();
        say(move || {
            let name = format!("{STORED}{}", purpose.as_str());
            let wanted = Label { purpose: Some(purpose), origin: Origin::Own };
            let sockets: Vec<_> =
                doors.iter().filter(|door| door.label == wanted).map(|door| door.socket.as_fd()).collect();
            sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(&name)])?;
            let mut stored = sockets
                .chunks(SOCKETS)
                .map(|some| sd_notify::notify_with_fds(&[NotifyState::FdStore, NotifyState::FdName(&name)], some));
            stored.try_for_each(|stored| stored)
        });
    }
}

pub(super) fn ready() {
    tell([NotifyState::Ready]);
}

pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell([NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no clock"),
    }
}

pub(super) fn stopping() {
    tell([NotifyState::Stopping]);
}

/// Another process goes on as the service.
pub(super) fn main_process(pid: u32) {
    tell([NotifyState::MainPid(pid)]);
}

/// Tells systemd that this process is alive, for as long as `heartbeat` beats. Ends at once when nobody asks.
pub(super) async fn watchdog(heartbeat: Heartbeat) {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| *limit > Duration::ZERO) else { return };
    let mut turns = tokio::time::interval(limit / 3);
    loop {
        turns.tick().await;
        if heartbeat.age() < limit / 2 {
            tell([NotifyState::Watchdog]);
        }
    }
}

/// Waits until systemd has taken everything that it was told, or has had its time.
pub(super) async fn heard() {
    let (done, heard) = oneshot::channel();
    say(move || {
        // Who waited may have lost patience.
        let _ = done.send(());
        Ok(())
    });
    if tokio::time::timeout(PATIENCE, heard).await.is_err() {
        tracing::warn!("systemd does not listen: leaving without its having heard all");
    }
}

fn tell<const N: usize>(state: [NotifyState<'static>; N]) {
    say(move || sd_notify::notify(&state));
}

/// Never waits: what does not fit into the queue is lost.
fn say(notify: impl FnOnce() -> io::Result<()> + Send + 'static) {
    let Some(voice) = &*VOICE else { return };
    let full = voice.try_send(Box::new(notify)).is_err();
    if full && !FULL.swap(full, Relaxed) {
        tracing::warn!("systemd does not listen: it misses what it is told");
    } else if !full {
        FULL.store(false, Relaxed);
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
