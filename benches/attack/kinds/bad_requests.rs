//! Pipelined requests with two lengths, each of which is answered with 400.

use super::{Attack, Door, HOST};

const PIPELINED: usize = 100;

pub(super) fn attack() -> Attack {
    let one = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n");
    Attack {
        connections: 64,
        opening: one.repeat(PIPELINED).into_bytes(),
        ..Attack::nothing("bad requests", Door::Plain)
    }
}
