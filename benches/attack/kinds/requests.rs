//! More requests than the proxy may have in flight.

use super::{Attack, HOST};
use crate::support::h2::{frame, hpack};

const REQUESTS: u32 = 50;
/// What the proxy is told to have in flight at most.
const LIMIT: u32 = 200;
/// What the attacker lets be sent to him on a connection.
const WINDOW: u32 = 0x7fff_0000;

pub(super) fn attack() -> Attack {
    let mut opening = frame::opening(&[]);
    frame::push_window(&mut opening, 0, WINDOW);
    Attack { limit: LIMIT, ..Attack::flood("request flood", opening, burst) }
}

fn burst(number: u32) -> Vec<u8> {
    let block = hpack::get("/", HOST);
    let mut out = Vec::new();
    for request in 0..REQUESTS {
        let stream = (number * REQUESTS + request) * 2 + 1;
        frame::push(&mut out, frame::HEADERS, frame::END_STREAM | frame::END_HEADERS, stream, &block);
    }
    out
}
