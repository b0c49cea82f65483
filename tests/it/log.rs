//! What the program writes about itself and about requests.

use crate::support::coalmine::Coalmine;
use crate::support::{Backend, Config, eventually, for_a_while};

#[test]
fn the_log_is_text_or_json() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).log("format = \"json\"").start();
    let log = coalmine.process.stderr.text();
    assert!(log.lines().count() > 0);
    for line in log.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    let coalmine = Config::of(&[&backend], &[]).start();
    assert!(!coalmine.process.stderr.text().contains('\u{1b}'), "colours are for terminals");
}

#[test]
fn a_turn_of_the_gate_is_logged_once_with_its_cause() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = Config::of(&[&stable], &[&canary]).start_admitted();
    coalmine.raise("web");
    coalmine.wait_ejected("web", "alert");
    let told = |log: String| {
        log.lines().filter(|line| line.contains("eject") && line.contains("web") && line.contains("alert")).count()
    };
    eventually("the ejection is logged", || told(coalmine.process.stderr.text()) == 1);
}

#[test]
fn requests_are_not_logged_unless_asked_for() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    coalmine.get("/secret/path");
    for_a_while(std::time::Duration::from_millis(100));
    assert!(!written(&coalmine).contains("/secret/path"));
}

#[test]
fn the_access_log_has_the_path_and_not_the_query() {
    for format in ["text", "json"] {
        let backend = Backend::start("a");
        let coalmine = Config::of(&[&backend], &[]).log(&format!("access = \"{format}\"")).start();
        coalmine.get("/some/path?token=hunter2");
        let line = || written(&coalmine).lines().find(|line| line.contains("/some/path")).map(str::to_owned);
        eventually("the request is written", || line().is_some());
        let line = line().unwrap();
        assert!(line.contains("GET") && line.contains("200"), "{line}");
        assert!(!written(&coalmine).contains("hunter2"));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), format == "json", "{line}");
    }
}

#[test]
fn the_level_decides_what_is_written() {
    let backend = Backend::start("a");
    let (_directory, path) = Config::of(&[&backend], &[]).log("level = \"error\"").write();
    // Without the lines that say where it listens, it can only be seen to live by its probes.
    let process = crate::support::coalmine::spawn(&["serve", "-c", crate::support::coalmine::text(&path)], &[]);
    eventually("it runs", || !backend.probes().is_empty());
    assert_eq!(process.stderr.text(), "");
}

fn written(coalmine: &Coalmine) -> String {
    coalmine.process.stdout.text() + &coalmine.process.stderr.text()
}
