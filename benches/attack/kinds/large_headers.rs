//! Headers of 128 KiB, which are answered with 431 or 400.

use super::{Attack, Door, HOST};

/// Fields of 2 KiB: few enough for limits of their number, large enough together for limits of their length.
const FIELDS: usize = 64;

pub(super) fn attack() -> Attack {
    let mut opening = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n");
    for number in 0..FIELDS {
        opening += &format!("X-{number}: {}\r\n", "x".repeat(2048));
    }
    opening += "\r\n";
    Attack { connections: 64, opening: opening.into_bytes(), ..Attack::nothing("large headers", Door::Plain) }
}
