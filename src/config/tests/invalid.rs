use super::{SERVICE, problems};
use crate::config::parse;

/// Text before a valid service, the key that is refused, and words of the remedy.
const TABLES: &[(&str, &str, &str)] = &[
    ("[listen]\nhttp = []", "listen.http", "at least one"),
    ("[listen]\nhttp = [':80']", "listen.http[0]", "IP address and a port"),
    ("[listen]\nhttp = ['127.0.0.1:80', 'localhost:80']", "listen.http[1]", "IP address and a port"),
    ("[listen]\nhttp = ['127.0.0.1:80', '127.0.0.1:80']", "listen.http[1]", "another address"),
    ("[listen]\nhttp = ['127.0.0.1:80', '0.0.0.0:80']", "listen.http[1]", "another address"),
    ("[listen]\nhttp = ['127.0.0.1:9900']", "admin.listen", "another address"),
    ("[admin]\nmetrics_listen = '127.0.0.1:9900'", "admin.metrics_listen", "another address"),
    ("[admin]\nmetrics_listen = 'x'", "admin.metrics_listen", "IP address and a port"),
    ("[listen]\nhttp = '0.0.0.0:80'", "listen.http", "write a list"),
    ("[listen]\nworkers = 257", "listen.workers", "from 0 to 256"),
    ("[listen]\nworkers = -1", "listen.workers", "from 0 to 256"),
    ("[listen]\nworkers = '2'", "listen.workers", "without quotes"),
    ("[listen]\ntrusted_proxies = ['10.0.0.0/33']", "listen.trusted_proxies[0]", "10.0.0.0/8"),
    ("[listen]\nheader_timeout = '0s'", "listen.header_timeout", "from 1ms to 1day"),
    ("[listen]\nidle_timeout = '25h'", "listen.idle_timeout", "from 1ms to 1day"),
    ("[listen]\ndrain = '30'", "listen.drain", "with a unit"),
    ("[listen]\ndrain = 30", "listen.drain", "in double quotes"),
    ("[listen]\nvia = 'yes'", "listen.via", "true or false"),
    ("[listen]\nheader_timout = '1s'", "listen.header_timout", "did you mean `header_timeout`"),
    ("[lisen]\nvia = true", "lisen", "did you mean `listen`"),
    ("listen = 1", "listen", "a table"),
    ("[log]\nlevel = 'inof'", "log.level", "info, debug"),
    ("[log]\nlevel = ''", "log.level", "info, debug"),
    ("[log]\nlevel = 'coalmine=loud'", "log.level", "info, debug"),
    ("[log]\nformat = 'xml'", "log.format", "\"text\", \"json\""),
    ("[log]\naccess = true", "log.access", "in double quotes"),
    ("[log]\naccess = 'on'", "log.access", "\"off\", \"text\", \"json\""),
    ("[admin]\nlisten = '0.0.0.0:9900'", "admin.listen", "admin.token_file"),
    ("[admin]\ntoken_file = '/nonexistent/token'", "admin.token_file", "readable file"),
    ("[redis]\nurl = 'http://x'", "redis.url", "redis://host:port"),
    ("[redis]\nurl = 'redis://u:hunter2@x:1/0'", "redis.url", "redis.password_file"),
    ("[redis]\nurl = 'redis://x:1/a'", "redis.url", "redis://host:port"),
    ("[redis]\nurl = 'redis://:1/0'", "redis.url", "redis://host:port"),
    ("[redis]\nsentinels = ['a:1']", "redis.master", "know the primary by"),
    ("[redis]\nmaster = 'm'", "redis.sentinels", "url instead"),
    ("[redis]\nsentinels = ['a']\nmaster = 'm'", "redis.sentinels[0]", "host:port"),
    ("[redis]\nurl = 'redis://x'\nsentinels = ['a:1']\nmaster = 'm'", "redis.url", "sentinels and master"),
    ("[redis]\nusername = 'u'", "redis.username", "redis.password_file"),
    ("[redis]\npassword_file = '/nonexistent/p'", "redis.password_file", "readable file"),
    ("[redis]\npassword = 'hunter2'", "redis.password", "did you mean `password_file`"),
    ("[redis]\nprefix = ''", "redis.prefix", "coalmine:"),
    ("[[service]]\nname = 'two'\nstable.backends = ['a:1']", "service[1].path_prefix", "different hosts"),
    ("[[service]]\nname = 'web'\nhosts = ['x']\nstable.backends = ['a:1']", "service[1].name", "of its own"),
];

/// Keys of the service, the key that is refused, and words of the remedy.
const SERVICES: &[(&str, &str, &str)] = &[
    ("name = 'Web'", "name", "a-z"),
    ("hosts = ['x:80']", "hosts[0]", "without port"),
    ("hosts = ['x', 'X']", "hosts[1]", "remove one"),
    ("path_prefix = 'api'", "path_prefix", "begins with \"/\""),
    ("balance = 'random'", "balance", "\"least_request\""),
    ("served_by_header = 1", "served_by_header", "true or false"),
    ("timeout.connect = '0ms'", "timeout.connect", "from 1ms to 1day"),
    ("timeout.response = 'x'", "timeout.response", "with a unit"),
    ("timeout.idle = '2days'", "timeout.idle", "from 1ms to 1day"),
    ("pool.max_idle = 65537", "pool.max_idle", "from 0 to 65536"),
    ("pool.idle_timeout = '0s'", "pool.idle_timeout", "from 1ms to 1day"),
    ("pool.max_age = '0s'", "pool.max_age", "from 1ms to 1day"),
    ("stable.backends = []", "stable.backends", "at least one"),
    ("stable = {}", "stable.backends", "at least one"),
    ("canary = {}", "canary.backends", "at least one"),
    ("stable.backends = ['web1']", "stable.backends[0]", "host:port"),
    ("stable.backends = ['::1:80']", "stable.backends[0]", "[::1]:port"),
    ("stable.backends = ['web1:0']", "stable.backends[0]", "host:port"),
    ("stable.backends = ['web1:99999']", "stable.backends[0]", "host:port"),
    ("stable.backends = [5]", "stable.backends[0]", "a backend"),
    ("stable.backends = [{ name = 'x' }]", "stable.backends[0].address", "host:port"),
    ("stable.backends = [{ address = 'x' }]", "stable.backends[0].address", "host:port"),
    ("stable.backends = [{ address = 'x:1', weight = 0 }]", "stable.backends[0].weight", "from 1 to 1000"),
    ("stable.backends = [{ address = 'x:1', weight = 1001 }]", "stable.backends[0].weight", "from 1 to 1000"),
    ("stable.backends = [{ address = 'x:1', name = 'a b' }]", "stable.backends[0].name", "web1"),
    ("stable.backends = [{ address = 'x:1', wieght = 1 }]", "stable.backends[0].wieght", "did you mean `weight`"),
    ("stable.backends = ['10.0.0.2:80']", "canary.backends[0]", "a name"),
    ("stable.backends = ['x:1', 'x:1']", "stable.backends[1]", "a name"),
    ("stable = { weight = 1001, backends = ['x:1'] }", "stable.weight", "from 0 to 1000"),
    ("canary = { weight = -1, backends = ['x:1'] }", "canary.weight", "from 0 to 1000"),
    ("canary = { weigth = 1, backends = ['x:1'] }", "canary.weigth", "did you mean `weight`"),
    ("stable.weight = 0\ncanary = { weight = 0, backends = ['x:1'] }", "stable.weight", "1 to 1000"),
    ("alert.key = ''", "alert.key", "alert:checkbox"),
    ("alert.compat = ['list:old']", "alert.compat", "[redis]"),
    ("probe.path = 'up'", "probe.path", "begins with \"/\""),
    ("probe.path = '/a b'", "probe.path", "begins with \"/\""),
    ("probe.host = 'a b'", "probe.host", "host name"),
    ("probe.expect_status = []", "probe.expect_status", "200-399"),
    ("probe.expect_status = ['200', '400-300']", "probe.expect_status[1]", "200-399"),
    ("probe.expect_status = ['600']", "probe.expect_status[0]", "200-399"),
    ("probe.expect_status = [200]", "probe.expect_status[0]", "in double quotes"),
    ("probe.interval = '9ms'", "probe.interval", "from 10ms to 1h"),
    ("probe.timeout = '0s'", "probe.timeout", "from 1ms to 1h"),
    ("probe.fall = 0", "probe.fall", "from 1 to 1000"),
    ("canary = { backends = ['x:1'], probe.rise = 1001 }", "canary.probe.rise", "from 1 to 1000"),
];

#[test]
fn each_mistake_of_a_table_is_told_once_with_key_and_remedy() {
    assert_eq!(TABLES.len(), 43);
    for (text, key, remedy) in TABLES {
        let service = SERVICE.trim_start();
        let text = if text.starts_with("[[") { format!("{service}{text}\n") } else { format!("{text}\n{service}") };
        expect(&text, key, remedy);
    }
}

#[test]
fn each_mistake_of_a_service_is_told_with_key_and_remedy() {
    assert_eq!(SERVICES.len(), 45);
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
