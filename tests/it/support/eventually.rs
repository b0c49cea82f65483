//! Waiting: for something that must happen, or for nothing to happen.

use std::thread;
use std::time::{Duration, Instant};

/// By then anything that should happen has happened, on a busy machine too.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(5);

/// Returns as soon as `condition` holds; panics when it does not within [`DEADLINE`].
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    eventually_some(what, || condition().then_some(()));
}

/// Returns what `attempt` gives as soon as it gives something; panics when it does not within [`DEADLINE`].
#[track_caller]
pub(crate) fn eventually_some<T>(what: &str, attempt: impl FnMut() -> Option<T>) -> T {
    let Some(value) = within(DEADLINE, attempt) else { panic!("not within {DEADLINE:?}: {what}") };
    value
}

/// Returns what `attempt` gives as soon as it gives something; `None` when it does not within `deadline`.
pub(crate) fn within<T>(deadline: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = attempt() {
            return Some(value);
        }
        if start.elapsed() >= deadline {
            return None;
        }
        thread::sleep(POLL);
    }
}

/// A window in which something is observed not to happen, or the pace of a slow peer. Never a wait for something.
pub(crate) fn for_a_while(window: Duration) {
    thread::sleep(window);
}

#[test]
fn a_condition_is_tried_until_it_holds() {
    let mut tries = 0;
    eventually("three tries", || {
        tries += 1;
        tries == 3
    });
    assert_eq!(tries, 3);
}
