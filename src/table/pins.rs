//! Signed cookies that keep a visitor on a version or on a server.

use crate::model::{Affinity, CookieSpec};

/// The cookies of one service.
#[derive(Debug)]
pub struct Pins {
    pub affinity: Affinity,
    pub cookie: CookieSpec,
}
