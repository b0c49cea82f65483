//! Slowloris: a header that gets a byte longer each second.

use std::time::Duration;

use super::{Attack, Door, HOST, Then};

pub(super) fn attack() -> Attack {
    Attack {
        connections: 2000,
        opening: format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX-Slow: ").into_bytes(),
        then: Then::Repeat { burst: |_| b"x".to_vec(), every: Duration::from_secs(1) },
        ..Attack::nothing("slow headers", Door::Plain)
    }
}
