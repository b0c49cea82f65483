//! What the client moves on its connection, seen where the bytes are read and written.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{Pace, Phase};
use crate::net::stream::Witness;

/// Writes of this many bytes and more may have waited for the client, and are worth a look at the clock.
const MUCH: usize = 16 * 1024;

/// How long a client may go on sending after the connection's end was sent, in nanoseconds.
const LINGER: u64 = 2_000_000_000;

/// Bytes moved on the client's side are progress.
impl Witness for Arc<Pace> {
    fn read(&self, bytes: usize) {
        match self.phase() {
            Phase::Idle => {
                let now = self.now();
                self.began.store(now, Relaxed);
                self.heard.store(now, Relaxed);
                self.enter(Phase::Head);
                self.set_deadline(now + self.header_timeout);
            }
            Phase::Head => self.heard.store(self.now(), Relaxed),
            Phase::Upload | Phase::Response if !self.missed() => {
                let now = self.now();
                self.heard.store(now, Relaxed);
                self.set_deadline(now + self.body_idle.load(Relaxed));
                if self.phase() == Phase::Upload {
                    self.flow.moved(bytes);
                }
                // More of an upload is no excuse for not taking the response.
                self.end_by(self.flow.deadline());
            }
            Phase::Waiting | Phase::Upload | Phase::Response | Phase::Shared | Phase::Tunnel => {}
        }
    }

    fn waits(&self, waits: bool) {
        let idle = match self.phase() {
            Phase::Response => self.body_idle.load(Relaxed),
            Phase::Idle => self.idle_timeout,
            Phase::Head | Phase::Upload | Phase::Waiting | Phase::Shared | Phase::Tunnel => return,
        };
        if waits != self.flow.is_waiting() {
            self.wait_for_client(waits, idle);
        }
    }

    fn written(&self, bytes: usize) {
        // What the socket has taken before it was full says nothing of the client.
        if self.flow.is_waiting() {
            self.flow.moved(bytes);
        }
        match self.phase() {
            // The end of a response that was finished just now, unless there is much of it.
            Phase::Idle if bytes < MUCH => {}
            Phase::Idle => self.set_deadline(self.now() + self.idle_timeout),
            Phase::Response => self.set_deadline(self.now() + self.body_idle.load(Relaxed)),
            Phase::Shared => {
                self.written.fetch_add(bytes as u64, Relaxed);
            }
            Phase::Head | Phase::Upload | Phase::Waiting | Phase::Tunnel => {}
        }
    }

    fn lingers(&self) -> bool {
        let unread = self.unread.load(Relaxed);
        if unread {
            self.end_by(self.now() + LINGER);
        }
        unread
    }

    /// A response has begun and not been handed over to its end: it broke off, stood still, or was cut by a stop. Or a
    /// tunnel broke.
    fn owes(&self) -> bool {
        self.phase() == Phase::Response
    }
}

impl Pace {
    /// Whether a connection that is shared has written much since it was asked last; `leaving`: anything.
    pub(in crate::proxy) fn has_written(&self, leaving: bool) -> bool {
        self.written.swap(0, Relaxed) >= if leaving { 1 } else { MUCH as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::specimen::{SECOND, pace};
    use super::*;

    #[test]
    fn the_first_byte_of_a_request_starts_the_header_timeout_and_later_bytes_do_not_extend_it() {
        let pace = pace();
        assert_eq!(pace.deadline(), 60 * SECOND);
        pace.read(1);
        let deadline = pace.deadline();
        assert!(pace.phase() == Phase::Head && deadline < 11 * SECOND);
        pace.read(1);
        assert_eq!(pace.deadline(), deadline);
    }
}
