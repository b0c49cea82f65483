//! The cookie that goes with an answer, once it is known whose answer it is.

use std::sync::Arc;

use http::HeaderValue;

use crate::model::{Affinity, Track};
use crate::table::{Backend, BackendKey, Pins};

/// What a visitor is to get for an answer of the backend that was chosen first.
pub struct Keepsake {
    cookie: HeaderValue,
    pins: Arc<Pins>,
    chosen: BackendKey,
    track: Track,
}

impl Keepsake {
    pub fn new(cookie: HeaderValue, pins: &Arc<Pins>, chosen: &Backend) -> Self {
        Self { cookie, pins: pins.clone(), chosen: chosen.key, track: chosen.track }
    }

    /// The `Set-Cookie` for an answer of `backend`.
    ///
    /// A retry leaves a visitor's cookie as it is. One who was only sent on, because the first choice left the rotation
    /// or is at its limits, is as good as chosen for the other backend: with its session in memory there, it has to
    /// come back. To the other version it is bound only together with a backend, lest limits change the split.
    pub fn of(self, backend: &Backend, retried: bool) -> Option<HeaderValue> {
        if backend.key == self.chosen {
            Some(self.cookie)
        } else if retried || (self.pins.affinity != Affinity::Backend && backend.track != self.track) {
            None
        } else {
            self.pins.set_cookie(backend.track, &backend.id)
        }
    }
}
