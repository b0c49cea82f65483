//! Large answers that are asked for and never read: more than the kernel's buffers on the way take.

use super::{Attack, Door, HOST, Reads};

/// Of a megabyte each.
const PIPELINED: usize = 8;

pub(super) fn attack() -> Attack {
    Attack {
        connections: 100,
        opening: format!("GET /1m HTTP/1.1\r\nHost: {HOST}\r\n\r\n").repeat(PIPELINED).into_bytes(),
        reads: Reads::Never,
        ..Attack::nothing("answers never read", Door::Plain)
    }
}
