//! What the program writes about itself and about requests.

use crate::support::coalmine::Coalmine;
use crate::support::{Backend, Config, Service, eventually, for_a_while};

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
fn each_change_of_rotation_is_one_line_that_programs_can_read() {
    let (a, b, canary) = (Backend::start("a"), Backend::start("b"), Backend::start("canary"));
    let service = Service::of("web", &[&a, &b], &[&canary]).quick_probes();
    let config = Config::new().service(service).log("format = \"json\"");
    let coalmine = config.clone().start_admitted();
    let lines = || rotations(&coalmine.process.stderr.text());
    let start = ["a true 2/2 1 start", "b true 2/2 1 start", "canary false 0/1 0 start"];
    eventually("the start is told", || lines().starts_with(&start.map(str::to_owned)));
    assert_eq!(lines().iter().filter(|line| line.starts_with("canary true 1/1")).count(), 1);
    for (healthy, word) in [(false, "a false 1/2 1 probe"), (true, "a true 2/2 1 probe")] {
        a.set_healthy(healthy);
        eventually(word, || lines().iter().filter(|line| *line == word).count() == 1);
    }
    coalmine.raise("web");
    eventually("the ejection is told", || lines().contains(&"canary false 0/1 0 alert".to_owned()));
    assert_eq!(coalmine.ask("POST", "/api/v1/services/web/backends/b/drain").status(), 200);
    eventually("the drain is told", || lines().contains(&"b false 1/2 1 drain".to_owned()));
    coalmine.rewrite(&config.text().replace("weight = 2", "weight = 3"));
    assert_eq!(coalmine.ask("POST", "/api/v1/reload").status(), 200);
    let reload = ["a true 1/2 1 reload", "b false 1/2 1 reload", "canary false 0/1 0 reload"];
    eventually("the reload is told", || lines().ends_with(&reload.map(str::to_owned)));
}

/// Backend, whether it rotates, how many of its track do, how many have to, and why.
fn rotations(log: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let lines = lines.filter(|line| line["message"] == "rotation" && line["level"] == "INFO");
    let word = |line: serde_json::Value| {
        assert!(line["service"] == "web" && line["track"].is_string(), "{line}");
        let number = |name: &str| line[name].as_u64().unwrap_or_else(|| panic!("no number {name} in {line}"));
        let (up, of, min_up) = (number("up"), number("of"), number("min_up"));
        let (backend, cause) = (line["backend"].as_str().unwrap(), line["cause"].as_str().unwrap());
        format!("{backend} {} {up}/{of} {min_up} {cause}", line["rotates"].as_bool().unwrap())
    };
    lines.map(word).collect()
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
