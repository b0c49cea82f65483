//! What the documents promise parses, and what they name is there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::certificates::Authority;
use crate::support::coalmine::{run, text};
use crate::support::config::written;

#[test]
fn every_configuration_in_the_documents_is_a_good_one() {
    let authority = Authority::new();
    let site = authority.server(&["shop.example.org"]);
    let [readme, security] = ["README.md", "SECURITY.md"].map(|name| fs::read_to_string(root().join(name)).unwrap());
    let [in_readme, in_security] = [&readme, &security].map(|text| text.split("```toml\n").skip(1));
    assert!(in_readme.clone().count() > 0 && in_security.clone().count() > 0, "no configuration");
    for block in in_readme.chain(in_security).map(|rest| rest.split("```").next().unwrap()) {
        let (directory, path) = written(block);
        fs::copy(&site.cert, directory.path().join("shop.pem")).unwrap();
        fs::copy(&site.key, directory.path().join("shop.key")).unwrap();
        assert_good(&path);
    }
}

#[test]
fn the_configurations_that_come_along_are_good_ones() {
    for name in ["coalmine.toml", "minimal.toml", "compose.toml"] {
        assert_good(&root().join("config").join(name));
    }
    let exit = run(&["monitor", "-c", text(&root().join("config/monitor.toml")), "--check"]);
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
}

#[test]
fn the_full_configuration_shows_every_key() {
    let full = fs::read_to_string(root().join("config/coalmine.toml")).unwrap();
    for key in [
        "http",
        "https",
        "redirect_https",
        "http2",
        "proxy_protocol",
        "handshake_timeout",
        "workers",
        "trusted_proxies",
        "header_timeout",
        "idle_timeout",
        "drain",
        "lame_duck",
        "via",
        "level",
        "format",
        "access",
        "listen",
        "token_file",
        "metrics_listen",
        "outbox",
        "group",
        "hourly",
        "ways",
        "ca_file",
        "cert",
        "directory",
        "contact",
        "domains",
        "state_dir",
        "port",
        "from",
        "to",
        "events",
        "ejections",
        "within",
        "url",
        "sentinels",
        "master",
        "username",
        "password_file",
        "tls",
        "prefix",
        "name",
        "key_file",
        "hosts",
        "path_prefix",
        "balance",
        "served_by_header",
        "affinity",
        "split_by",
        "connect",
        "response",
        "idle",
        "tunnel",
        "max_idle",
        "max_age",
        "idempotent",
        "buffer",
        "canary_statuses",
        "stable_statuses",
        "budget_percent",
        "budget_min",
        "consecutive",
        "success_percent",
        "window",
        "min_requests",
        "max_ejected_percent",
        "base_ejection",
        "max_ejection",
        "connections",
        "requests",
        "queue",
        "queue_timeout",
        "max_connections",
        "max_requests",
        "listener_connections",
        "client_connections",
        "headers",
        "header_bytes",
        "request_line",
        "body_rate",
        "streams",
        "body",
        "burst",
        "follow_peers",
        "secure",
        "header",
        "cookie",
        "secret_file",
        "value",
        "network",
        "track",
        "weight",
        "backends",
        "h2",
        "server_name",
        "cert_file",
        "min_up",
        "slow_start",
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

#[test]
fn every_test_that_the_promises_name_is_there() {
    for document in ["RELIABILITY.md", "SECURITY.md"] {
        let promises = fs::read_to_string(root().join(document)).unwrap();
        let names: Vec<_> = code(&promises).filter_map(|code| code.rsplit_once("::")).collect();
        assert!(names.len() > 50, "{document}: {names:?}");
        let missing: Vec<_> = names.into_iter().filter(|(file, test)| !has_test(file, test)).collect();
        assert_eq!(missing, Vec::<(&str, &str)>::new(), "{document}");
    }
}

#[test]
fn every_reason_to_refuse_is_told_with_what_it_is_about() {
    let reasons = fs::read_to_string(root().join("src/metrics/refused.rs")).unwrap();
    let reasons: Vec<_> = reasons.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(reasons.len() > 10, "{reasons:?}");
    for document in ["README.md", "SECURITY.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).flat_map(code).collect();
        let missing: Vec<_> = reasons.iter().filter(|reason| !rows.contains(*reason)).collect();
        assert_eq!(missing, Vec::<&&str>::new(), "{document}");
    }
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// `file` is a path, or the module that is in a file beside this one.
fn has_test(file: &str, test: &str) -> bool {
    let path = if file.ends_with(".rs") { file.into() } else { format!("tests/it/{}.rs", file.replace("::", "/")) };
    let Ok(source) = fs::read_to_string(root().join(path)) else { return false };
    let head = format!("fn {test}(");
    let mut before = "";
    source.lines().map(str::trim).any(|line| {
        let is_test = line.strip_prefix("async ").unwrap_or(line).starts_with(&head) && before.starts_with("#[");
        before = line;
        is_test
    })
}

#[track_caller]
fn assert_good(path: &Path) {
    let exit = run(&["check", "-c", text(path)]);
    assert_eq!(exit.code, Some(0), "{}: {}", path.display(), exit.stderr);
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
