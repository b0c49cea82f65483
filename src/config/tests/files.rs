use std::fs;
use std::path::Path;

use super::SERVICE;
use crate::config::{load_with, parse, render};
use crate::model::RedisPlace;

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    load_with(&path, []).unwrap_or_else(|error| panic!("{error}"));
    fs::read_to_string(path).unwrap()
}

/// The text with its commented-out keys, which have no space after the `#`.
pub(super) fn uncommented(text: &str) -> String {
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
fn the_commented_keys_of_the_full_file_are_defaults_too_or_examples() {
    let full = uncommented(&shipped("coalmine.toml"));
    assert!(full.contains("\n[redis]\n"), "{full}");
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let site = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
    file("site.pem", &site.cert.pem());
    file("site.key", &site.signing_key.serialize_pem());
    let mut full = load_with(&file("coalmine.toml", &full), []).unwrap();
    assert_eq!((std::mem::take(&mut full.tls.certificates).len(), full.tls.acme.take().is_some()), (1, true));
    // A rule, a webhook and the like have no default, and what all but one are is counted.
    assert_eq!((full.notify.mail.take().is_some(), std::mem::take(&mut full.notify.webhooks).len()), (true, 1));
    let service = &mut full.services[0];
    assert!(service.rollback.take().is_some());
    assert_eq!(std::mem::take(&mut service.rules).len(), 3);
    assert_eq!(service.stable.min_up.take().map(usize::try_from), Some(Ok(service.stable.backends.len() - 1)));
    let minimal = parse(&format!("{}[redis]\n", shipped("minimal.toml"))).unwrap();
    assert_eq!(full, minimal);
    let RedisPlace::Server { address, .. } = full.redis.unwrap().place else { panic!("no server") };
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
    let mut track: toml::Table =
        ["stable", "canary"].iter().flat_map(|track| service[*track].as_table().unwrap().clone()).collect();
    track.insert("probe".into(), probe.clone().into());
    let tls = track["tls"].as_table().unwrap().clone();
    let rule: toml::Table =
        service["rule"].as_array().unwrap().iter().flat_map(|rule| rule.as_table().unwrap().clone()).collect();
    let webhook = full["notify"]["webhook"][0].as_table().unwrap();
    let of = |name: &str| service[name].as_table().unwrap();
    let tables = [
        ("", &full),
        ("listen.", full["listen"].as_table().unwrap()),
        ("limits.", full["limits"].as_table().unwrap()),
        ("limits.rate.", full["limits"]["rate"].as_table().unwrap()),
        ("tls.", full["tls"].as_table().unwrap()),
        ("tls.certificate.", full["tls"]["certificate"][0].as_table().unwrap()),
        ("tls.acme.", full["tls"]["acme"].as_table().unwrap()),
        ("log.", full["log"].as_table().unwrap()),
        ("admin.", full["admin"].as_table().unwrap()),
        ("redis.", full["redis"].as_table().unwrap()),
        ("balancer.", full["balancer"].as_table().unwrap()),
        ("affinity.", full["affinity"].as_table().unwrap()),
        ("notify.", full["notify"].as_table().unwrap()),
        ("notify.mail.", full["notify"]["mail"].as_table().unwrap()),
        ("notify.webhook.", webhook),
        ("service.", service),
        ("service.timeout.", of("timeout")),
        ("service.pool.", of("pool")),
        ("service.alert.", of("alert")),
        ("service.retry.", of("retry")),
        ("service.outlier.", of("outlier")),
        ("service.limits.", of("limits")),
        ("service.limits.rate.", of("limits")["rate"].as_table().unwrap()),
        ("service.gate.", of("gate")),
        ("service.cookie.", of("cookie")),
        ("service.tester.", of("tester")),
        ("service.rollback.", of("rollback")),
        ("service.rule.", &rule),
        ("service.stable.", &track),
        ("service.stable.tls.", &tls),
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
    assert_eq!(seen, 170);
}

/// The keys of a table, as the refusal of an unknown one lists them.
fn known_keys(path: &str) -> Vec<String> {
    let text = match path.strip_prefix("service.") {
        None if ["notify.webhook.", "tls.certificate."].contains(&path) => {
            format!("[[{}]]\nzzz = 1\n", path.trim_end_matches('.'))
        }
        Some("rule.") => "[[service]]\n[[service.rule]]\nzzz = 1\n".to_owned(),
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
        lame_duck = "3s"
        [limits]
        max_connections = 500
        rate = { requests = 10, burst = 100 }
        [balancer]
        name = "lb_1.example"
        [redis]
        sentinels = ["10.0.0.1:26379", "[::1]:26379"]
        master = "coalmine"
        tls = true
        [notify]
        outbox = "/var/lib/coalmine"
        group = "0s"
        ways = ["webhook"]
        [notify.mail]
        host = "mail.example.org"
        tls = "starttls"
        from = "Coalmine <coalmine@example.org>"
        to = ["ops@example.org", "dev@example.org"]
        [[notify.webhook]]
        url = "https://hooks.example.org/a?b=c"
        events = ["ejected"]
        [[notify.webhook]]
        url = "http://127.0.0.1:8080"
        timeout = "1m"
        [[service]]
        name = "web"
        hosts = ["www.example.org", "*.example.org"]
        stable.backends = [{ address = "web1:80", name = "web1", weight = 3 }, "[::1]:80"]
        stable.min_up = 1
        alert.compat = ["list:old", "string:older"]
        affinity = "backend"
        split_by = "X-User"
        cookie = { name = "__Host-web", max_age = "365days", secure = true }
        tester = { header = "X-Canary", cookie = "canary" }
        retry = { idempotent = true, buffer = 0, canary_statuses = [], stable_statuses = ["429", "503"] }
        outlier = { consecutive = 0, window = "90s", base_ejection = "1500ms" }
        limits = { requests = 100, queue = 10, queue_timeout = "250ms", body = 5000000000, rate.requests = 7 }
        gate.follow_peers = false
        [[service.rule]]
        header = "X-Team"
        value = "a \"b\" ä"
        track = "stable"
        [[service.rule]]
        cookie = "Beta"
        value = ""
        track = "stable"
        [[service.rule]]
        network = "fd00::/8"
        track = "stable"
        [[service]]
        name = "api"
        path_prefix = "/api"
        balance = "least_request"
        stable.backends = ["10.0.0.1:80"]
        canary = { backends = ["10.0.0.2:80"], slow_start = "2m" }
        rollback = { url = "http://deploy.test/rollback", ejections = 1, within = "1h" }
        probe.expect_body = "ok \"yes\""
    "#;
    let settings = parse(text).unwrap();
    let printed = render(&settings);
    let again = parse(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!((&settings, &printed), (&again, &render(&again)));
    assert!(printed.contains("\n[[service.rule]]\ncookie = \"Beta\"\nvalue = \"\"\n"), "{printed}");
    assert!(printed.contains("max_age = \"365days\""), "{printed}");
    assert!(printed.contains("\n[[service]]\nname = \"api\"\n"), "{printed}");
    assert!(printed.contains("idle_timeout = \"1m\""), "{printed}");
    assert!(parse(SERVICE).is_ok());
}
