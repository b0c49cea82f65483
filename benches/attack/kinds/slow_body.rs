//! A body of a megabyte that comes a byte a second.

use std::time::Duration;

use super::{Attack, Door, HOST, Then};

pub(super) fn attack() -> Attack {
    Attack {
        connections: 2000,
        opening: format!("POST /upload HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1000000\r\n\r\n").into_bytes(),
        then: Then::Repeat { burst: |_| b"x".to_vec(), every: Duration::from_secs(1) },
        ..Attack::nothing("slow bodies", Door::Plain)
    }
}
