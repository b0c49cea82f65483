use super::SERVICE;
use crate::config::{needs_restart, parse};

/// Lines of a table, and the keys that take a restart for them.
const CHANGES: &[(&str, &[&str])] = &[
    ("[listen]\nhttp = ['127.0.0.1:81']", &["listen.http"]),
    ("[listen]\nworkers = 1", &["listen.workers"]),
    ("[listen]\ntrusted_proxies = ['::1']", &["listen.trusted_proxies"]),
    ("[listen]\nheader_timeout = '11s'", &["listen.header_timeout"]),
    ("[listen]\nidle_timeout = '61s'", &["listen.idle_timeout"]),
    ("[listen]\ndrain = '31s'\nlame_duck = '1s'", &["listen.drain", "listen.lame_duck"]),
    ("[listen]\nvia = false", &["listen.via"]),
    ("[limits]\nmax_connections = 1\nmax_requests = 1", &["limits.max_connections", "limits.max_requests"]),
    (
        "[limits]\nlistener_connections = 1\nclient_connections = 1",
        &["limits.listener_connections", "limits.client_connections"],
    ),
    ("[limits]\nheaders = 1\nheader_bytes = 1024", &["limits.headers", "limits.header_bytes"]),
    ("[limits]\nrequest_line = 256\nbody_rate = 0", &["limits.request_line", "limits.body_rate"]),
    ("[limits]\nstreams = 1\nrate.burst = 2\nrate.requests = 1", &["limits.streams", "limits.rate"]),
    ("[log]\nlevel = 'debug'", &["log.level"]),
    ("[log]\nformat = 'json'\naccess = 'json'", &["log.format", "log.access"]),
    ("[admin]\nlisten = '127.0.0.1:1'", &["admin.listen"]),
    ("[admin]\nmetrics_listen = '127.0.0.1:1'", &["admin.metrics_listen"]),
    ("[balancer]\nname = 'no-host-has-this'", &["balancer.name"]),
    ("[affinity]\nkey = '0123456789abcdef'", &["affinity.key"]),
    ("[notify]\noutbox = 'o'\ngroup = '1s'", &["notify.outbox", "notify.group"]),
    ("[notify]\nhourly = 1\nways = []", &["notify.hourly", "notify.ways"]),
    ("[notify.mail]\nfrom = 'a@b.test'\nto = ['c@b.test']", &["notify.mail"]),
    ("[[notify.webhook]]\nurl = 'http://a'", &["notify.webhook"]),
    ("[redis]\nurl = 'redis://127.0.0.1/1'", &["redis.url"]),
    ("[redis]\nsentinels = ['a:1']\nmaster = 'm'", &["redis.url", "redis.sentinels", "redis.master"]),
    ("[redis]\ntls = true\nprefix = 'p'", &["redis.tls", "redis.prefix"]),
];

#[test]
fn each_change_outside_the_services_is_named_by_its_key() {
    assert_eq!(CHANGES.len(), 25);
    let settings = |lines: &str| {
        let redis = if lines.starts_with("[redis]") { "" } else { "[redis]" };
        parse(&format!("{redis}\n{lines}\n{SERVICE}")).unwrap()
    };
    let old = settings("");
    for (lines, keys) in CHANGES {
        let new = settings(lines);
        assert_eq!(needs_restart(&old, &new), *keys, "{lines}");
        assert_eq!(needs_restart(&new, &old), *keys, "{lines}");
    }
}

#[test]
fn a_redis_that_comes_or_goes_takes_a_restart() {
    let [with, without] = [format!("[redis]\n{SERVICE}"), SERVICE.to_owned()].map(|text| parse(&text).unwrap());
    assert_eq!(needs_restart(&with, &without), ["redis"]);
    assert_eq!(needs_restart(&without, &with), ["redis"]);
}

#[test]
fn services_come_change_and_go_without_a_restart() {
    let old = parse(SERVICE).unwrap();
    assert_eq!(needs_restart(&old, &old.clone()), Vec::<&str>::new());
    let other = "[[service]]\nname = 'api'\nbalance = 'least_request'\naffinity = 'track'\nstable.backends = ['a:1']";
    assert_eq!(needs_restart(&old, &parse(other).unwrap()), Vec::<&str>::new());
}
