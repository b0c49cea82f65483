//! What a scenario came to: the clients' answers held against what the backends wrote down.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::backend::log::Given;
use crate::crowd::{Attempt, Failure, Kind};
use crate::wrk::Tally;

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) requests: usize,
    /// GET, HEAD and OPTIONS that failed.
    pub(crate) repeatable: Vec<Attempt>,
    /// Answers that ended within their body because the backend did, which had given the head already.
    pub(crate) broken_off: Vec<Attempt>,
    /// Failed POST, PUT and DELETE that a failing backend had been sent.
    pub(crate) in_hand: Vec<Attempt>,
    /// Failed POST, PUT and DELETE that no failing backend had.
    pub(crate) not_in_hand: Vec<Attempt>,
    /// Whole answers that belong to another request, or to none.
    pub(crate) wrong: Vec<Attempt>,
    /// Numbers of POSTs that backends ran more than once.
    pub(crate) posts_twice: Vec<String>,
    /// The same of PUT and DELETE.
    pub(crate) others_twice: Vec<String>,
    /// `None`: not installed.
    pub(crate) wrk: Option<Tally>,
    /// From the first harm to the balancer's word that the harmed one is out.
    pub(crate) ejected_after: Option<Duration>,
    /// From the first harm to the last request that failed.
    pub(crate) failed_until: Option<Duration>,
    /// The canary's requests of 300 after it had recovered.
    pub(crate) share: Option<usize>,
    /// What did not happen that had to.
    pub(crate) problems: Vec<String>,
}

impl Outcome {
    /// `given`: what each backend was given, by its id; `failing`: the ids of those that were harmed.
    pub(crate) fn of(
        attempts: Vec<Attempt>,
        given: &BTreeMap<String, Vec<Given>>,
        failing: &BTreeSet<String>,
        harmed: Option<Instant>,
    ) -> Self {
        let mut outcome = Self { requests: attempts.len(), ..Self::default() };
        let mut had: BTreeMap<&str, &Given> = BTreeMap::new();
        for given in given.iter().filter(|(id, _)| failing.contains(*id)).flat_map(|(_, given)| given) {
            had.insert(&given.number, given);
        }
        for attempt in attempts {
            let Err(failure) = &attempt.end else { continue };
            let ended = attempt.began + attempt.took;
            let after = harmed.map(|harmed| ended.saturating_duration_since(harmed));
            outcome.failed_until = outcome.failed_until.max(after);
            let had = had.get(attempt.number.as_str());
            let place = match failure.kind {
                Kind::Wrong => &mut outcome.wrong,
                // What the client saw of it depends on how much the balancer had passed on by then.
                Kind::HalfBody | Kind::Balancer if had.is_some_and(|had| had.answer == "half-body") => {
                    &mut outcome.broken_off
                }
                _ if attempt.is_repeatable() => &mut outcome.repeatable,
                _ if had.is_some() || was_sent(failure, failing) => &mut outcome.in_hand,
                _ => &mut outcome.not_in_hand,
            };
            place.push(attempt);
        }
        let twice = |is_wanted: fn(&str) -> bool| {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for given in given.values().flatten().filter(|given| is_wanted(&given.method)) {
                *counts.entry(&given.number).or_default() += 1;
            }
            counts.into_iter().filter(|(_, count)| *count > 1).map(|(number, _)| number.to_owned()).collect()
        };
        outcome.posts_twice = twice(|method| method == "POST");
        outcome.others_twice = twice(|method| matches!(method, "PUT" | "DELETE"));
        outcome
    }

    /// All that Coalmine must not let happen.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = self.problems.clone();
        let mut none = |count: usize, what: &str| {
            if count > 0 {
                faults.push(format!("{count} {what}"));
            }
        };
        none(self.repeatable.len(), "repeatable requests failed");
        none(self.not_in_hand.len(), "others failed that no failing backend had in hand");
        none(self.wrong.len(), "answers were those to other requests");
        none(self.posts_twice.len(), "POSTs ran twice");
        none(self.others_twice.len(), "PUTs or DELETEs ran twice");
        let wrk = self.wrk.unwrap_or_default();
        none(wrk.bad_status as usize, "bad answers to wrk");
        none(wrk.silent as usize, "requests of wrk without a connection or an answer");
        if self.share.is_some_and(|share| share != 100) {
            faults.push(format!("the canary got {:?} of 300", self.share));
        }
        faults
    }

    /// The failures themselves, at most `limit` of each sort.
    pub(crate) fn failures(&self, limit: usize, since_start: impl Fn(Instant) -> Duration) -> String {
        let mut text = String::new();
        let sorts = [
            ("repeatable", &self.repeatable),
            ("not in hand", &self.not_in_hand),
            ("wrong", &self.wrong),
            ("in hand", &self.in_hand),
            ("broken off", &self.broken_off),
        ];
        for (sort, attempts) in sorts {
            for attempt in attempts.iter().take(limit) {
                let Attempt { number, method, began, took, end } = attempt;
                let (at, seen) = (since_start(*began).as_secs_f64(), end.as_ref().err().map_or("", |end| &end.seen));
                text += &format!("  {at:8.3} s  {sort}: {method} {number} after {took:?}: {seen}\n");
            }
        }
        let twice: Vec<_> = self.posts_twice.iter().chain(&self.others_twice).take(limit).cloned().collect();
        if !twice.is_empty() {
            text += &format!("  twice: {}\n", twice.join(", "));
        }
        text
    }
}

/// Whether the answer says that a failing backend had the request.
fn was_sent(failure: &Failure, failing: &BTreeSet<String>) -> bool {
    let by_failing = if failure.by.is_empty() { !failing.is_empty() } else { failing.contains(&failure.by) };
    failure.kind == Kind::Sent && by_failing
}

#[test]
fn a_failure_is_excused_by_what_a_failing_backend_had_only() {
    let attempt = |number: &str, method, kind| Attempt {
        number: number.to_owned(),
        method,
        began: Instant::now(),
        took: Duration::ZERO,
        end: Err(Failure { kind, by: String::new(), seen: String::new() }),
    };
    let given = |number: &str, method: &str| Given {
        at: std::time::SystemTime::now(),
        number: number.to_owned(),
        method: method.to_owned(),
        answer: "well".to_owned(),
    };
    let attempts = vec![
        attempt("1", "GET", Kind::Sent),
        attempt("2", "POST", Kind::Balancer),
        attempt("3", "POST", Kind::Balancer),
        attempt("4", "POST", Kind::Refused),
        attempt("5", "POST", Kind::Sent),
    ];
    let bad = vec![given("2", "POST"), given("9", "POST"), given("-", "GET")];
    let good = vec![given("3", "POST"), given("9", "POST"), given("-", "GET")];
    let given = BTreeMap::from([("bad".to_owned(), bad), ("good".to_owned(), good)]);
    let outcome = Outcome::of(attempts, &given, &BTreeSet::from(["bad".to_owned()]), None);
    let numbers = |attempts: &[Attempt]| attempts.iter().map(|it| it.number.clone()).collect::<Vec<_>>();
    assert_eq!(numbers(&outcome.repeatable), ["1"]);
    assert_eq!(numbers(&outcome.in_hand), ["2", "5"]);
    assert_eq!(numbers(&outcome.not_in_hand), ["3", "4"]);
    assert_eq!(outcome.posts_twice, ["9"]);
}
