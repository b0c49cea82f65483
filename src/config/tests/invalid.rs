use super::mistakes::{SERVICES, TABLES};
use super::{SERVICE, problems};
use crate::config::parse;

#[test]
fn each_mistake_of_a_table_is_told_once_with_key_and_remedy() {
    assert_eq!(TABLES.len(), 63);
    for (text, key, remedy) in TABLES {
        let service = SERVICE.trim_start();
        let text = if text.starts_with("[[") { format!("{service}{text}\n") } else { format!("{text}\n{service}") };
        expect(&text, key, remedy);
    }
}

#[test]
fn each_mistake_of_a_service_is_told_with_key_and_remedy() {
    assert_eq!(SERVICES.len(), 112);
    for (keys, key, remedy) in SERVICES {
        let has = |name: &str| keys.lines().any(|line| line.starts_with(name));
        let mut text = format!("[[service]]\n{keys}\n");
        for (name, line) in [
            ("name", "name = 'web'\n"),
            ("stable", "stable.backends = ['10.0.0.1:80']\n"),
            ("canary", "canary.backends = ['10.0.0.2:80']\n"),
        ] {
            let stable_weight = name == "stable" && keys.starts_with("stable.weight");
            if !has(name) || stable_weight {
                text.push_str(line);
            }
        }
        expect(&text, &format!("service[0].{key}"), remedy);
    }
}

fn expect(text: &str, key: &str, remedy: &str) {
    let problems = problems(text);
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    let problem = problems.iter().find(|problem| problem.key == key);
    let problem = problem.unwrap_or_else(|| panic!("{text}\nrefused: {keys:?}, not {key}"));
    assert!(problem.remedy.contains(remedy), "{text}\n{problem}");
    assert_eq!(problems.len(), 1, "{text}\n{problems:#?}");
    assert!(!problem.to_string().contains("hunter2"), "{problem}");
}

#[test]
fn services_without_a_table_a_name_or_a_share_are_refused() {
    expect("", "service", "[[service]]");
    expect("service = 5", "service", "two brackets");
    expect("[service]\nname = 'web'", "service", "two brackets");
    expect("[[service]]\nstable.backends = ['a:1']", "service[0].name", "a-z");
    expect("[[service]]\nname = 'web'", "service[0].stable", "backends");
    expect(
        "[[service]]\nname = 'web'\nstable = { weight = 0, backends = ['a:1'] }",
        "service[0].stable.weight",
        "1 to",
    );
}

#[test]
fn a_rule_leads_to_a_canary_only_where_there_is_one() {
    let text =
        "[[service]]\nname = 'web'\nstable.backends = ['a:1']\n[[service.rule]]\nnetwork = '::1'\ntrack = 'canary'";
    expect(text, "service[0].rule[0].track", "[service.canary]");
    let rules = |count| format!("{SERVICE}{}", "[[service.rule]]\nnetwork = '::1'\ntrack = 'stable'\n".repeat(count));
    assert_eq!(problems(&rules(64)), []);
    expect(&rules(65), "service[0].rule", "many addresses");
}

#[test]
fn a_schedule_longer_than_its_memory_is_worth_is_refused() {
    let backends = |step: usize| {
        let table = |index: usize| format!("{{ address = 'web{index}:1', weight = {} }}", 1000 - (index % 2) * step);
        (0..70).map(table).collect::<Vec<_>>().join(", ")
    };
    let text = |step| format!("[[service]]\nname = 'web'\nstable.backends = [{}]", backends(step));
    expect(&text(1), "service[0].stable.backends", "common divisor");
    assert_eq!(problems(&text(500)), []);
}

#[test]
fn two_services_may_not_share_a_match_or_an_alert() {
    let pair = |first: &str, second: &str| {
        format!(
            "[[service]]\nname = 'a'\nstable.backends = ['a:1']\n{first}\n\
             [[service]]\nname = 'b'\nstable.backends = ['b:1']\n{second}\n"
        )
    };
    let text = pair("hosts = ['x', 'y']\npath_prefix = '/p/'", "hosts = ['Y']\npath_prefix = '/p'");
    expect(&text, "service[1].path_prefix", "different hosts");
    assert!(problems(&text)[0].why.contains("`a` and `b`"));
    for keys in [("k", "k"), ("k", "k:owner"), ("k:owner", "k")] {
        let (first, second) = (format!("alert.key = '{}'", keys.0), format!("hosts = ['x']\nalert.key = '{}'", keys.1));
        expect(&pair(&first, &second), "service[1].alert.key", "none is the other");
    }
    assert_eq!(problems(&pair("hosts = ['x']", "")), []);
    assert_eq!(problems(&pair("path_prefix = '/p'", "alert.key = 'alert:aa'")), []);
}

#[test]
fn an_old_alert_name_has_a_type_and_lies_outside_the_prefix() {
    let with = |compat: &str| format!("[redis]\n{SERVICE}alert.compat = {compat}\n");
    expect(&with("['old']"), "service[0].alert.compat[0]", "list:KEY");
    expect(&with("['list:']"), "service[0].alert.compat[0]", "string:KEY");
    expect(&with("['string:coalmine:x']"), "service[0].alert.compat[0]", "alert.key");
    expect(&with("['string:x', 'list:x']"), "service[0].alert.compat[1]", "keep the one");
    assert_eq!(problems(&with("['list:alertValThreshold', 'string:alert']")), []);
}

#[test]
fn all_mistakes_are_told_at_once_each_with_its_place_value_and_remedy() {
    let text = r#"
        colour = "red"
        [listen]
        http = ["nowhere"]
        workers = "many"
        drain = "soon"
        [redis]
        url = "redis://me:hunter2@cache"
        [[service]]
        name = "Web"
        stable = { weight = 5000, backends = ["a"] }
        canary = { weigth = 1, backends = [7] }
        probe = { fall = 0, rise = "two" }
    "#;
    let found = problems(text);
    let keys: Vec<_> = found.iter().map(|problem| problem.key.as_str()).collect();
    let shapes = [
        "colour",
        "listen.workers",
        "service[0].canary.backends[0]",
        "service[0].canary.weigth",
        "service[0].probe.rise",
    ];
    let values = [
        "listen.http[0]",
        "listen.drain",
        "redis.url",
        "service[0].name",
        "service[0].stable.weight",
        "service[0].stable.backends[0]",
        "service[0].probe.fall",
    ];
    for key in shapes.iter().chain(&values) {
        assert!(keys.contains(key), "{key} is not in {keys:?}");
    }
    for problem in &found {
        assert!(problem.value.is_some() && !problem.remedy.is_empty(), "{problem}");
    }
    let unique: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(unique.len(), shapes.len() + values.len(), "{keys:?}");
}

#[test]
fn a_problem_reads_as_one_line() {
    let text = SERVICE.replace("stable.backends", "stable.weight = 1001\nstable.backends");
    assert_eq!(
        problems(&text)[0].to_string(),
        "configuration: service[0].stable.weight: `1001`: outside 0 to 1000; write a whole number from 0 to 1000"
    );
    let text = SERVICE.replace("\"web\"", "\"\"\"a\\u001b\nb\"\"\"");
    assert!(problems(&text)[0].to_string().starts_with("configuration: service[0].name: `a\\u{1b}\\nb`: "));
}

#[test]
fn all_problems_read_as_a_line_each() {
    let error = parse("colour = 'red'\n[listen]\ndrain = 'soon'\n").unwrap_err();
    let text = error.to_string();
    assert_eq!((error.problems.len(), text.lines().count()), (3, 3), "{text}");
    assert!(text.lines().all(|line| line.starts_with("configuration: ")), "{text}");
}

#[test]
fn a_syntax_error_is_one_line_with_its_place() {
    let text = parse("[log]\nlevel = 'x\n").unwrap_err().to_string();
    assert!(text.starts_with("configuration: not valid TOML: line 2, column 11: ") && !text.contains('\n'), "{text}");
}
