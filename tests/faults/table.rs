//! The results side by side: a row for each fault, a group of columns for each balancer.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::outcome::Outcome;
use crate::proxy::Kind;
use crate::scenario::note;
use crate::scenarios;

const COLUMNS: [&str; 6] = ["lost", "sent to it", "broken off", "twice", "out after", "share"];

/// `make faults`: plays all, asked for by `COALMINE_FAULTS`, and writes `target/faults.md`.
#[test]
#[ignore = "a report, not a check: make faults"]
fn report() {
    let arguments = Arguments::from_environment();
    let kinds = if arguments.peers { &Kind::ALL[..] } else { &Kind::ALL[..1] };
    let mut table = heading(kinds);
    let mut lost = Vec::new();
    for scenario in scenarios::all() {
        if arguments.scenario.as_ref().is_some_and(|wanted| !scenario.name.to_lowercase().contains(wanted)) {
            continue;
        }
        let mut row = format!("| {} |", scenario.name);
        for kind in kinds {
            let seed = arguments.seed.unwrap_or(1);
            let played = if scenario.kinds.contains(kind) { scenario.play(*kind, seed) } else { None };
            if let Some(played) = &played {
                note(&format!("{}\n{}", played.outcome.faults().join("\n"), played.story));
                if *kind == Kind::Coalmine && !played.outcome.faults().is_empty() {
                    lost.push(scenario.name);
                }
            }
            row += &cells(played.as_ref().map(|played| &played.outcome));
        }
        note(&row);
        let _ = writeln!(table, "{row}");
    }
    table += LEGEND;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/faults.md");
    fs::write(&file, &table).unwrap();
    note(&format!("{table}\nwritten to {}", file.display()));
    assert!(lost.is_empty(), "Coalmine lost something: {lost:?}");
}

const LEGEND: &str = "
lost: failed GET, HEAD and OPTIONS / failed POST, PUT and DELETE that no failing backend was sent. sent to it: failed
POST, PUT and DELETE that the failing backend had. broken off: answers whose body the backend ended half-way. twice:
POSTs that backends ran twice. out after: from the fault to the word that it is out; in brackets, to the last failed
request. share: the canary's of 300 requests after recovery. PROBLEM: something that had to happen did not.
";

fn heading(kinds: &[Kind]) -> String {
    let names = kinds.iter().flat_map(|kind| COLUMNS.map(|column| format!(" {}: {column} |", kind.name())));
    let names: String = names.collect();
    format!("| fault |{names}\n|---|{}\n", "---|".repeat(kinds.len() * COLUMNS.len()))
}

fn cells(outcome: Option<&Outcome>) -> String {
    let Some(outcome) = outcome else { return " - |".repeat(COLUMNS.len()) };
    let seconds = |time: Option<Duration>| time.map_or("-".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()));
    let share = outcome.share.map_or("-".to_owned(), |share| share.to_string());
    let problem = if outcome.problems.is_empty() { "" } else { " PROBLEM" };
    let wrong = if outcome.wrong.is_empty() { String::new() } else { format!(" ({} wrong)", outcome.wrong.len()) };
    format!(
        " {} / {}{wrong} of {} | {} | {} | {} | {} ({}) | {share}{problem} |",
        outcome.repeatable.len(),
        outcome.not_in_hand.len(),
        outcome.requests,
        outcome.in_hand.len(),
        outcome.broken_off.len(),
        outcome.posts_twice.len(),
        seconds(outcome.ejected_after),
        seconds(outcome.failed_until),
    )
}
