//! The configuration of an agent.

use std::path::Path;
use std::time::Duration;

use super::files::uncommented;
use crate::config::{Problem, load_monitor_with, render};
use crate::model::{CompatKey, HostMetric, MonitorSettings, OnLost, Side};

const REDIS: &str = "[redis]\n";
const MAIL: &str = "[notify.mail]\nfrom = 'a@b.test'\nto = ['c@d.test']\n";
const RULE: &str = "name = 'r'\nmetric = 'cpu'\nabove = 45\nservice = 'web'\n";

fn load(text: &str, variables: &[(&str, &str)]) -> Result<MonitorSettings, Vec<Problem>> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("monitor.toml");
    std::fs::write(&file, text).unwrap();
    let variables = variables.iter().map(|(name, value)| (String::from(*name), String::from(*value)));
    load_monitor_with(&file, variables).map_err(|error| error.problems)
}

fn shipped() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/monitor.toml")).unwrap()
}

#[test]
fn the_defaults_that_the_full_file_of_an_agent_shows_are_the_real_ones() {
    let full = load(&shipped(), &[]).unwrap();
    let minimal = format!("{REDIS}[[rule]]\nname='cpu'\nmetric='cpu'\nabove=45\nservice='checkbox'\n");
    let mut minimal = load(&minimal, &[]).unwrap();
    minimal.rules.push(full.rules[1].clone());
    assert_eq!(full, minimal);
    let full = load(&uncommented(&shipped()), &[]).unwrap();
    assert_eq!((full.checks.len(), full.rules.len()), (2, 6));
    assert_eq!(full.checks[0].timeout, Duration::from_secs(2));
    let old = &full.rules[3];
    assert_eq!((old.side, old.threshold, old.clear), (Side::Below, 1e8, 1.5e8));
    let compat = &old.actions.alert.as_ref().unwrap().compat;
    assert_eq!(compat[..], [CompatKey::List("alertValThreshold".into()), CompatKey::Text("alert".into())]);
}

#[test]
fn the_full_file_of_an_agent_has_every_key_there_is() {
    let full: toml::Table = uncommented(&shipped()).parse().unwrap();
    let all = |name: &str| -> toml::Table {
        full[name].as_array().unwrap().iter().flat_map(|table| table.as_table().unwrap().clone()).collect()
    };
    let of = |name: &str| full[name].as_table().unwrap().clone();
    let tables = [
        ("zzz = 1\n", full.clone()),
        ("[log]\nzzz = 1\n", of("log")),
        ("[redis]\nzzz = 1\n", of("redis")),
        ("[notify]\nzzz = 1\n", of("notify")),
        ("[notify.mail]\nzzz = 1\n", full["notify"]["mail"].as_table().unwrap().clone()),
        ("[[notify.webhook]]\nzzz = 1\n", full["notify"]["webhook"][0].as_table().unwrap().clone()),
        ("[[check]]\nzzz = 1\n", all("check")),
        ("[[rule]]\nzzz = 1\n", all("rule")),
    ];
    let mut seen = 0;
    for (text, table) in tables {
        let problems = load(text, &[]).unwrap_err();
        let problem = problems.iter().find(|problem| problem.key.ends_with("zzz")).unwrap();
        let (_, known) = problem.remedy.split_once("known here: ").unwrap();
        for key in known.split(", ") {
            seen += 1;
            assert!(table.contains_key(key), "`{key}` of {text:?} is not in monitor.toml");
        }
    }
    assert_eq!(seen, 54);
}

#[test]
fn what_is_printed_of_an_agent_is_a_configuration_of_the_same_meaning() {
    let settings = load(&uncommented(&shipped()), &[]).unwrap();
    let printed = render(&settings);
    let again = load(&printed, &[]).unwrap_or_else(|error| panic!("{error:?}\n{printed}"));
    assert_eq!((&settings, &printed), (&again, &render(&again)));
    assert!(
        printed.contains("\n[[rule]]\nname = \"memory-100\"\nmetric = \"memory_available\"\nbelow = "),
        "{printed}"
    );
    assert!(printed.contains("http = \"http://127.0.0.1:3002/healthz\""), "{printed}");
}

#[test]
fn variables_of_an_agent_have_a_prefix_of_their_own() {
    let text = format!("{REDIS}[[rule]]\n{RULE}");
    let variables = [
        ("COALMINE_MONITOR_HOST", "web2"),
        ("COALMINE_MONITOR_REDIS__URL", "redis://cache:6380/4"),
        ("COALMINE_MONITOR_CONFIG", "/etc/x.toml"),
        ("COALMINE_LISTEN__DRAIN", "5s"),
        ("COALMINE_REDIS__URL", "redis://other"),
    ];
    let settings = load(&text, &variables).unwrap();
    assert_eq!(settings.host, "web2");
    assert!(render(&settings).contains("url = \"redis://cache:6380/4\""));
    let problems = load(&text, &[("COALMINE_MONITOR_REDIS__ULR", "x")]).unwrap_err();
    assert_eq!(problems[0].origin, "environment variable `COALMINE_MONITOR_REDIS__ULR`");
    let balancer = crate::config::load_with(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("config/minimal.toml"),
        [("COALMINE_MONITOR_REDIS__URL".to_owned(), "redis://cache".to_owned())],
    );
    assert!(balancer.unwrap().redis.is_none(), "they are not the balancer's");
}

#[test]
fn a_rule_that_only_tells_needs_neither_a_service_nor_redis() {
    let rule = "[[rule]]\nname = 'full'\nmetric = 'disk:/var'\nabove = 90\nfor = '0s'\nactions = ['webhook', 'mail']\n";
    let settings = load(&format!("{MAIL}[[notify.webhook]]\nurl = 'http://hook.test/'\n{rule}"), &[]).unwrap();
    let actions = &settings.rules[0].actions;
    assert_eq!((actions.service.is_none(), actions.alert.is_none(), actions.ways.len()), (true, true, 2));
    assert_eq!(settings.rules[0].metric, HostMetric::Disk("/var".into()));
    let kept = load(&format!("{REDIS}[[rule]]\n{RULE}on_lost = 'keep'\n"), &[]).unwrap();
    assert_eq!(kept.rules[0].actions.alert.as_ref().unwrap().on_lost, OnLost::Keep);
}

/// Keys of a rule besides what it needs, the key that is refused, and words of the remedy.
const RULES: &[(&str, &str, &str)] = &[
    ("name = 'a b'", "name", "a-z"),
    ("metric = 'cup'", "metric", "\"memory_available\""),
    ("metric = 'disk:var'", "metric", "disk:/var"),
    ("metric = 'check.none'", "metric", "[[check]]"),
    ("above = 101", "above", "0 to 100"),
    ("above = '45%'", "above", "without quotes"),
    ("above = nan", "above", "0 to 100"),
    ("above = true", "above", "a number"),
    ("metric = 'memory_available'\nabove = '1 MiBB'", "above", "100MiB"),
    ("metric = 'memory_available'\nabove = -1", "above", "100MiB"),
    ("metric = 'load1'\nabove = '2'", "above", "without quotes"),
    ("below = 3", "below", "two rules"),
    ("clear = 46", "clear", "not greater"),
    ("for = '2days'", "for", "0s to 1day"),
    ("for = 30", "for", "double quotes"),
    ("service = 'A'", "service", "a-z"),
    ("service = ''", "service", "canary runs here"),
    ("severity = 'bad'", "severity", "\"critical\""),
    ("actions = []", "actions", "\"mail\""),
    ("actions = ['sms']", "actions[0]", "\"webhook\""),
    ("actions = ['alert', 'webhook']", "actions[1]", "[[notify.webhook]]"),
    ("ttl = '500ms'", "ttl", "from 1s"),
    ("on_lost = 'die'", "on_lost", "\"keep\""),
    ("compat = ['alert']", "compat[0]", "list:KEY"),
    ("compat = ['string:coalmine:x']", "compat[0]", "redis.prefix"),
    ("actions = ['mail']\nttl = '5s'", "ttl", "\"alert\" to actions"),
    ("actions = ['mail']\ncompat = ['list:x']", "compat", "\"alert\" to actions"),
    ("thresold = 3", "thresold", "known here"),
];

/// Texts beside a good rule.
const TABLES: &[(&str, &str, &str)] = &[
    ("interval = '1ms'\n", "interval", "from 50ms"),
    ("host = 'a:b'\n", "host", "the host's name"),
    ("host = 'api'\n", "host", "another name"),
    ("cgroup = 'x'\n", "cgroup", "/sys/fs/cgroup"),
    ("cgroup = '/x/../y'\n", "cgroup", "/sys/fs/cgroup"),
    ("[log]\naccess = 'text'\n", "log.access", "known here: level, format"),
    ("[log]\nlevel = 'inof'\n", "log.level", "info"),
    ("[redis]\nurl = 'x'\n", "redis.url", "redis://"),
    ("check = 5\n", "check", "[[check]]"),
    ("[[check]]\nexec = ['/bin/true']\n", "check[0].name", "a-z"),
    ("[[check]]\nname = 'q'\n", "check[0].exec", "exec or http"),
    ("[[check]]\nname = 'q'\nexec = ['true']\n", "check[0].exec[0]", "absolute path"),
    ("[[check]]\nname = 'q'\nexec = ['/bin/true']\nhttp = 'http://x/'\n", "check[0].http", "two checks"),
    ("[[check]]\nname = 'q'\nexec = ['/bin/true']\nexpect_status = ['200']\n", "check[0].expect_status", "remove"),
    ("[[check]]\nname = 'q'\nhttp = 'https://x/'\n", "check[0].http", "http://host:port"),
    ("[[check]]\nname = 'q'\nhttp = 'http://u:hunter2@x/'\n", "check[0].http", "http://host:port"),
    ("[[check]]\nname = 'q'\nhttp = 'http://x/'\nexpect_status = ['9']\n", "check[0].expect_status[0]", "100 to 599"),
    ("[[check]]\nname = 'q'\nhttp = 'http://x/'\ntimeout = '2h'\n", "check[0].timeout", "to 1h"),
    ("[[check]]\nname = 'q'\nhttp = 'http://x/'\ninterval = '1ms'\n", "check[0].interval", "from 50ms"),
    (
        "[[check]]\nname = 'q'\nhttp = 'http://x/'\n[[check]]\nname = 'q'\nhttp = 'http://x/'\n",
        "check[1].name",
        "of its own",
    ),
];

#[test]
fn each_mistake_of_a_rule_of_an_agent_is_told_once_with_key_and_remedy() {
    for (keys, key, remedy) in RULES {
        let rest: String = RULE
            .lines()
            .filter(|line| !keys.lines().any(|written| written.split('=').next() == line.split('=').next()))
            .map(|line| format!("{line}\n"))
            .collect();
        expect(&format!("{REDIS}{MAIL}[[rule]]\n{rest}{keys}\n"), &format!("rule[0].{key}"), remedy);
    }
}

#[test]
fn each_mistake_beside_the_rules_is_told_once_with_key_and_remedy() {
    for (table, key, remedy) in TABLES {
        let redis = if table.contains("[redis]") { "" } else { REDIS };
        expect(&format!("{table}{redis}[[rule]]\n{RULE}"), key, remedy);
    }
    expect(REDIS, "rule", "monitor.toml");
    expect(&format!("[[rule]]\n{RULE}"), "rule[0].actions", "[redis]");
    expect(&format!("{REDIS}[[rule]]\n{RULE}actions = ['alert', 'mail']\n"), "rule[0].actions[1]", "[notify.mail]");
    expect(&format!("notify = 5\n{REDIS}[[rule]]\n{RULE}actions = ['mail']\n"), "notify", "write a table");
    expect(&format!("{REDIS}[[rule]]\n{RULE}[[rule]]\n{RULE}"), "rule[1].name", "of its own");
    expect(&format!("{REDIS}[rule]\n{RULE}"), "rule", "[[rule]]");
    expect(
        &format!("{REDIS}[[rule]]\nname = 'r'\nmetric = 'cpu'\nservice = 'web'\n"),
        "rule[0].above",
        "above or below",
    );
}

#[track_caller]
fn expect(text: &str, key: &str, remedy: &str) {
    let problems = load(text, &[]).map_or_else(|problems| problems, |_| Vec::new());
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, [key], "{text}");
    assert!(problems[0].remedy.contains(remedy), "{text}\n{}", problems[0]);
    assert!(!problems[0].to_string().contains("hunter2"), "{}", problems[0]);
}
