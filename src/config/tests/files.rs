use std::path::Path;

use super::SERVICE;
use crate::config::{load_with, parse, render};
use crate::model::RedisPlace;

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    load_with(&path, []).unwrap_or_else(|error| panic!("{error}"));
    std::fs::read_to_string(path).unwrap()
}

/// The text with its commented-out keys, which have no space after the `#`.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(key) if !key.is_empty() && !key.starts_with(' ') => format!("{key}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn the_defaults_that_the_full_file_shows_are_the_real_ones() {
    let full = render(&parse(&shipped("coalmine.toml")).unwrap());
    let minimal = render(&parse(&shipped("minimal.toml")).unwrap());
    assert_eq!(full, minimal);
}

#[test]
fn the_commented_keys_of_the_full_file_are_defaults_too() {
    let full = uncommented(&shipped("coalmine.toml"));
    assert!(full.contains("\n[redis]\n"), "{full}");
    let minimal = format!("{}[redis]\n", shipped("minimal.toml"));
    assert_eq!(render(&parse(&full).unwrap()), render(&parse(&minimal).unwrap()));
    let redis = parse(&full).unwrap().redis.unwrap();
    let RedisPlace::Server { address, .. } = redis.place else { panic!("no server") };
    assert_eq!(address.port, 6379);
}

#[test]
fn the_full_file_has_every_key_there_is() {
    let full: toml::Table = uncommented(&shipped("coalmine.toml")).parse().unwrap();
    let service = full["service"][0].as_table().unwrap();
    let probe: toml::Table = ["stable", "canary"]
        .iter()
        .flat_map(|track| service[*track]["probe"].as_table().unwrap().clone())
        .chain(service["probe"].as_table().unwrap().clone())
        .collect();
    let mut track = service["stable"].as_table().unwrap().clone();
    track.insert("probe".into(), probe.clone().into());
    let tables = [
        ("", &full),
        ("listen.", full["listen"].as_table().unwrap()),
        ("log.", full["log"].as_table().unwrap()),
        ("admin.", full["admin"].as_table().unwrap()),
        ("redis.", full["redis"].as_table().unwrap()),
        ("service.", service),
        ("service.timeout.", service["timeout"].as_table().unwrap()),
        ("service.pool.", service["pool"].as_table().unwrap()),
        ("service.alert.", service["alert"].as_table().unwrap()),
        ("service.stable.", &track),
        ("service.probe.", &probe),
    ];
    let mut seen = 0;
    for (path, table) in tables {
        let known = known_keys(path);
        seen += known.len();
        for key in known {
            assert!(table.contains_key(&key), "{path}{key} is not in coalmine.toml");
        }
    }
    assert_eq!(seen, 55);
}

/// The keys of a table, as the refusal of an unknown one lists them.
fn known_keys(path: &str) -> Vec<String> {
    let text = match path.strip_prefix("service.") {
        Some(path) => format!("[[service]]\n{path}zzz = 1\n"),
        None => format!("{path}zzz = 1\n"),
    };
    let problems = super::problems(&text);
    let problem = problems.iter().find(|problem| problem.key.ends_with("zzz")).unwrap();
    let (_, known) = problem.remedy.split_once("known here: ").unwrap();
    known.split(", ").map(str::to_owned).collect()
}

#[test]
fn what_is_printed_is_a_configuration_of_the_same_meaning() {
    let text = r#"
        [listen]
        http = ["127.0.0.1:0", "127.0.0.1:0"]
        trusted_proxies = ["10.0.0.0/8", "::1"]
        [redis]
        sentinels = ["10.0.0.1:26379", "[::1]:26379"]
        master = "coalmine"
        tls = true
        [[service]]
        name = "web"
        hosts = ["www.example.org", "*.example.org"]
        stable.backends = [{ address = "web1:80", name = "web1", weight = 3 }, "[::1]:80"]
        alert.compat = ["list:old", "string:older"]
        [[service]]
        name = "api"
        path_prefix = "/api"
        balance = "least_request"
        stable.backends = ["10.0.0.1:80"]
        canary.backends = ["10.0.0.2:80"]
        probe.expect_body = "ok \"yes\""
    "#;
    let printed = render(&parse(text).unwrap());
    let again = render(&parse(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}")));
    assert_eq!(printed, again);
    assert!(printed.contains("\n[[service]]\nname = \"api\"\n"), "{printed}");
    assert!(printed.contains("idle_timeout = \"1m\""), "{printed}");
    assert!(parse(SERVICE).is_ok());
}
