//! What the documents promise parses.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::coalmine::{run, text};
use crate::support::config::written;

#[test]
fn every_configuration_in_the_readme_is_a_good_one() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let blocks: Vec<_> = readme.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty(), "no configuration in the README");
    for block in blocks {
        let (_directory, path) = written(block);
        assert_good(&path);
    }
}

#[test]
fn the_configurations_that_come_along_are_good_ones() {
    for name in ["coalmine.toml", "minimal.toml"] {
        assert_good(&root().join("config").join(name));
    }
}

#[test]
fn the_full_configuration_shows_every_key() {
    let full = fs::read_to_string(root().join("config/coalmine.toml")).unwrap();
    for key in [
        "http",
        "workers",
        "trusted_proxies",
        "header_timeout",
        "idle_timeout",
        "drain",
        "via",
        "level",
        "format",
        "access",
        "listen",
        "token_file",
        "metrics_listen",
        "url",
        "sentinels",
        "master",
        "username",
        "password_file",
        "tls",
        "prefix",
        "name",
        "hosts",
        "path_prefix",
        "balance",
        "served_by_header",
        "connect",
        "response",
        "idle",
        "max_idle",
        "max_age",
        "weight",
        "backends",
        "key",
        "compat",
        "path",
        "host",
        "expect_status",
        "expect_body",
        "interval",
        "timeout",
        "fall",
        "rise",
    ] {
        let shown = |line: &str| {
            let line = line.trim_start_matches(['#', ' ']);
            line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        assert!(full.lines().any(shown) || full.contains(&format!("{key} = ")), "no `{key}`");
    }
}

#[test]
fn every_metric_is_in_the_readme() {
    let names = fs::read_to_string(root().join("src/metrics/names.rs")).unwrap();
    let names: Vec<_> = names.split('"').filter(|word| word.starts_with("coalmine_")).collect();
    assert!(names.len() > 10, "{names:?}");
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let missing: Vec<_> = names.into_iter().filter(|name| !readme.contains(*name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[track_caller]
fn assert_good(path: &Path) {
    let exit = run(&["check", "-c", text(path)]);
    assert_eq!(exit.code, Some(0), "{}: {}", path.display(), exit.stderr);
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
