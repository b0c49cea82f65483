//! What becomes of a request's body: taken whole, broken off, too large, or of no use any more.

use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;

use super::{Pace, Phase};

impl Pace {
    /// Whether a part of the request's body has not been taken from the client.
    pub(in crate::proxy) fn uploading(&self) -> bool {
        self.uploading.load(Relaxed)
    }

    /// The request's last byte has been taken from the client.
    pub(in crate::proxy) fn uploaded(&self) {
        self.uploading.store(false, Relaxed);
        if self.phase() == Phase::Upload {
            self.wait();
        }
        self.task.wake();
    }

    /// Wakes the connection when the upload ends, once. For an upload that another task takes from the client.
    pub(in crate::proxy) fn watch(&self, waker: &Waker) {
        if self.uploading() {
            self.task.register(waker);
        }
    }

    /// Whether a request is being answered of which nothing more is to come.
    pub(in crate::proxy) fn is_answering(&self) -> bool {
        matches!(self.phase(), Phase::Upload | Phase::Waiting | Phase::Response) && !self.uploading()
    }

    /// The client broke off in the middle of its request's body: what fails now is not the backend's fault.
    pub(in crate::proxy) fn go(&self) {
        self.gone.store(true, Relaxed);
        self.task.wake();
    }

    pub(in crate::proxy) fn gone(&self) -> bool {
        self.gone.load(Relaxed)
    }

    /// The request's body is larger than it may be: it is not taken to its end.
    pub(in crate::proxy) fn overrun(&self) {
        self.overran.store(true, Relaxed);
        self.go();
    }

    pub(in crate::proxy) fn overran(&self) -> bool {
        self.overran.load(Relaxed)
    }

    /// The request is answered although its body was not taken whole.
    pub(in crate::proxy) fn leave_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    /// The response was dropped before its end. An upload in a task of its own would keep both streams open for as long
    /// as the client does.
    pub(in crate::proxy) fn abandon(&self) {
        if self.uploading() {
            self.abandoned.store(true, Relaxed);
            self.upload.wake();
        }
    }

    /// Whether the upload is of no use any more; else `task` is woken when it is. A connection that is not shared ends
    /// with its response, and its upload with it.
    pub(in crate::proxy) fn is_abandoned(&self, task: &Waker) -> bool {
        if self.connection.is_none() {
            return false;
        }
        self.upload.register(task);
        self.abandoned.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::specimen::{SECOND, pace};
    use super::*;
    use crate::net::stream::Witness;

    #[test]
    fn the_response_timeout_begins_with_the_last_byte_of_a_body() {
        let pace = pace();
        pace.request();
        pace.sent(true, Duration::from_secs(60), Duration::from_secs(5));
        assert!(pace.phase() == Phase::Upload && pace.deadline() > 50 * SECOND);
        pace.uploaded();
        assert!(pace.phase() == Phase::Waiting && pace.deadline() < 6 * SECOND);
    }

    #[test]
    fn an_upload_that_ends_after_the_response_began_changes_nothing() {
        let pace = pace();
        pace.request();
        pace.sent(true, Duration::from_secs(60), Duration::from_secs(5));
        pace.responded(Duration::from_secs(60));
        pace.written(1);
        pace.uploaded();
        assert!(pace.phase() == Phase::Response && pace.deadline() > 50 * SECOND);
    }
}
