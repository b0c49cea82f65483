//! Whether a request that failed may be tried once more.

use http::{Method, StatusCode};

use crate::model::{RetrySpec, Track};

/// Everything about a failed attempt that the rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// The backend's.
    pub(super) track: Track,
    /// The request was retried before.
    pub(super) retried: bool,
    /// The request went out, to this backend or before, in whole or in part.
    pub(super) written: bool,
    /// By its method ([`may_repeat`]), and its body is wholly kept.
    pub(super) repeatable: bool,
    /// The backend answered: it is up, and what speaks against it is its answer.
    pub(super) answered: bool,
    /// The visitor is kept on this backend: somewhere else nobody knows him.
    pub(super) pinned: bool,
    /// Requests like it have killed two backends. Only asked for what was written.
    pub(super) poison: bool,
}

/// What becomes of a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    No,
    Poison,
    /// Another backend may have it; `budget`: if the budget allows.
    Yes {
        budget: bool,
    },
}

/// One retry a request. What was not written is always fit for it; what was, only if it may run twice. Canary to stable
/// costs no budget, because the canary's ejection bounds it; nor does what was not written, because nobody has worked
/// on it: the retry is no more load than the request was to be.
pub(super) fn verdict(case: Case) -> Verdict {
    if case.retried || (case.written && !case.repeatable) || (case.answered && case.pinned) {
        Verdict::No
    } else if case.written && case.poison {
        Verdict::Poison
    } else {
        Verdict::Yes { budget: case.track == Track::Stable && case.written }
    }
}

/// Whether running it twice is the same as running it once, as far as its method tells.
pub(super) fn may_repeat(method: &Method, spec: &RetrySpec) -> bool {
    is_safe(method) || (spec.idempotent && matches!(*method, Method::PUT | Method::DELETE))
}

/// Whether the method asks for nothing to be changed.
pub(super) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether an answer of the track is a failure that is worth a retry. Of a trial every 5xx is.
pub(super) fn is_rejected(status: StatusCode, track: Track, trial: bool, spec: &RetrySpec) -> bool {
    match track {
        Track::Canary => spec.canary_statuses.contains(status) || (trial && status.is_server_error()),
        Track::Stable => spec.stable_statuses.contains(status),
    }
}

/// Whether an answer says that the backend works. A method or version that it does not know is no fault of its health.
pub(in crate::proxy) fn is_pass(status: StatusCode) -> bool {
    !status.is_server_error() || [StatusCode::NOT_IMPLEMENTED, StatusCode::HTTP_VERSION_NOT_SUPPORTED].contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: Case = Case {
        track: Track::Canary,
        retried: false,
        written: true,
        repeatable: true,
        answered: false,
        pinned: false,
        poison: false,
    };
    const STABLE: Case = Case { track: Track::Stable, ..CANARY };

    fn spec(idempotent: bool) -> RetrySpec {
        RetrySpec { idempotent, ..RetrySpec::specimen() }
    }

    #[test]
    fn the_rule_as_a_table() {
        let free = Verdict::Yes { budget: false };
        let paid = Verdict::Yes { budget: true };
        for (what, case, expected) in [
            ("written to the canary, repeatable", CANARY, free),
            ("written to stable, repeatable", STABLE, paid),
            ("written to the canary, not repeatable", Case { repeatable: false, ..CANARY }, Verdict::No),
            ("not written, not repeatable", Case { written: false, repeatable: false, ..CANARY }, free),
            ("not written to stable", Case { written: false, repeatable: false, ..STABLE }, free),
            ("retried before", Case { retried: true, ..CANARY }, Verdict::No),
            ("retried before, not written now", Case { retried: true, written: false, ..CANARY }, Verdict::No),
            ("the canary answered a failure", Case { answered: true, ..CANARY }, free),
            ("stable answered a failure", Case { answered: true, ..STABLE }, paid),
            ("answered, not repeatable", Case { answered: true, repeatable: false, ..CANARY }, Verdict::No),
            ("answered a visitor that it keeps", Case { answered: true, pinned: true, ..CANARY }, Verdict::No),
            ("died under a visitor that it keeps", Case { pinned: true, ..CANARY }, free),
            ("poison", Case { poison: true, ..CANARY }, Verdict::Poison),
            ("poison that was not written", Case { poison: true, written: false, ..CANARY }, free),
            ("poison that was retried", Case { poison: true, retried: true, ..CANARY }, Verdict::No),
        ] {
            assert_eq!(verdict(case), expected, "{what}");
        }
    }

    #[test]
    fn methods_that_change_something_are_repeated_only_where_the_service_says_so() {
        for (method, by_default, if_idempotent) in [
            (Method::GET, true, true),
            (Method::HEAD, true, true),
            (Method::OPTIONS, true, true),
            (Method::PUT, false, true),
            (Method::DELETE, false, true),
            (Method::POST, false, false),
            (Method::PATCH, false, false),
            (Method::TRACE, false, false),
        ] {
            assert_eq!(may_repeat(&method, &spec(false)), by_default, "{method}");
            assert_eq!(may_repeat(&method, &spec(true)), if_idempotent, "{method}");
        }
    }

    #[test]
    fn each_track_has_the_statuses_that_are_worth_a_retry() {
        let rejected =
            |status: u16, track, trial| is_rejected(StatusCode::from_u16(status).unwrap(), track, trial, &spec(false));
        for (status, of_canary, of_stable, of_trial) in [
            (200, false, false, false),
            (404, false, false, false),
            (500, true, false, true),
            (501, false, false, true),
            (502, true, true, true),
            (503, true, true, true),
            (504, true, true, true),
            (505, false, false, true),
            (599, false, false, true),
        ] {
            assert_eq!(rejected(status, Track::Canary, false), of_canary, "{status}");
            assert_eq!(rejected(status, Track::Stable, false), of_stable, "{status}");
            assert_eq!(rejected(status, Track::Canary, true), of_trial, "{status}");
        }
    }

    #[test]
    fn a_5xx_speaks_against_the_backend_unless_it_only_refuses_the_request() {
        let pass = |status: u16| is_pass(StatusCode::from_u16(status).unwrap());
        assert!([200, 304, 404, 499, 501, 505].into_iter().all(pass));
        assert!(![500, 502, 503, 504, 507, 599].into_iter().any(pass));
    }
}
