//! A tunnel over one stream (RFC 8441, 5).

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use hyper_util::rt::TokioIo;

use super::super::pace::Pace;
use super::super::tunnel::Tunnel;

/// hyper's task that sends what is written to an upgraded stream. It ends when all has been sent, the end included, or
/// the client has reset the stream. Dropped before, it makes an end that is none: a reset.
pub(super) type Sender = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a tunnel, and its `sender` beside it, to the end of both. A stream that the client resets is not one that it
/// has ended, although it reads like one: the backend's end breaks as well.
///
/// Dropped, it resets the stream.
pub(super) async fn run(mut tunnel: Tunnel, sender: Sender, pace: &Pace) {
    let Some(upgraded) = tunnel.stream.take() else { return };
    let Ok(io) = upgraded.await else { return };
    let mut running = pin!(tunnel.run(TokioIo::new(io)));
    let mut open = true;
    let mut sending = Some(sender);
    poll_fn(|cx| {
        open = open && running.as_mut().poll(cx).is_pending();
        if !open && pace.is_broken_off() {
            return Poll::Ready(());
        }
        // Dropped when it has ended: that is how the tunnel learns of it.
        sending.take_if(|sender| sender.as_mut().poll(cx).is_ready());
        if open && sending.is_none() && !pace.has_hung_up() {
            pace.break_off();
            return Poll::Ready(());
        }
        if open || sending.is_some() { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}
