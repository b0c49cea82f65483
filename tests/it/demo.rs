//! `coalmine demo`: the whole round trip in one command.

use crate::support::coalmine::spawn;
use crate::support::eventually::eventually_some;
use crate::support::{client, eventually};

const FREE: [&str; 5] = ["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];

#[test]
fn the_round_trip_shows_split_ejection_and_recovery_and_ends_well() {
    let mut demo = spawn(&[&FREE[..], &["--once"]].concat(), &[]);
    // It takes its time to be watched.
    for part in ["2:1", "eject"] {
        eventually(&format!("it shows {part}"), || demo.stdout.text().contains(part) || demo.has_ended());
    }
    eventually("it brings the canary back", || demo.has_ended());
    let exit = demo.wait();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    let told = exit.stdout.to_lowercase();
    for part in ["stable", "canary", "2:1", "eject", "ms"] {
        assert!(told.contains(part), "no `{part}` in {exit:?}");
    }
}

#[test]
fn without_once_it_serves_on_until_it_is_told_to_stop() {
    let mut demo = spawn(&FREE, &[]);
    let address = eventually_some("it says where it listens", || {
        let text = demo.stdout.text() + &demo.stderr.text();
        let found = text.split(|c: char| !(c.is_ascii_digit() || ".:".contains(c))).find_map(|word| word.parse().ok());
        found.filter(|_| text.contains("127.0.0.1:"))
    });
    eventually("it answers", || client::get(address, "/").status() < 500);
    demo.signal("INT");
    assert_eq!(demo.wait().code, Some(0));
}
