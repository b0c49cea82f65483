use std::time::Duration;

use super::{SERVICE, parse};
use crate::model::{Affinity, Condition, ServiceSpec, Track};

fn service(extra: &str) -> ServiceSpec {
    parse(&format!("{SERVICE}{extra}")).unwrap_or_else(|error| panic!("{error}")).services.remove(0)
}

#[test]
fn an_unwritten_service_retries_ejects_and_keeps_nobody() {
    let web = service("");
    assert_eq!(
        (web.affinity, web.cookie.name.as_str(), web.cookie.max_age),
        (Affinity::None, "coalmine-web", Duration::ZERO)
    );
    assert_eq!((web.split_by, web.tester.header, web.tester.cookie, web.rules), (None, None, None, Vec::new()));
    let statuses = [&web.retry.canary_statuses, &web.retry.stable_statuses].map(ToString::to_string);
    assert_eq!(statuses, ["500, 502-504", "502-504"]);
    assert_eq!((web.retry.idempotent, web.retry.buffer), (false, 65_536));
    assert_eq!((web.retry.budget_percent, web.retry.budget_min), (20, 3));
    let seconds = |duration: Duration| (duration.as_secs(), duration.subsec_nanos());
    let outlier = web.outlier;
    assert_eq!((outlier.consecutive, outlier.success_percent, outlier.min_requests), (5, 90, 20));
    assert_eq!((seconds(outlier.window), outlier.max_ejected_percent), ((10, 0), 20));
    assert_eq!((seconds(outlier.base_ejection), seconds(outlier.max_ejection)), ((1, 0), (300, 0)));
    assert_eq!((web.limits.circuit.connections, web.limits.circuit.requests, web.limits.circuit.queue), (0, 0, 0));
    assert_eq!((seconds(web.limits.circuit.queue_timeout), web.gate.follow_peers), ((1, 0), true));
    assert_eq!((web.stable.min_up, web.stable.slow_start), (None, None));
    assert_eq!(web.canary.unwrap().slow_start, Some(Duration::ZERO));
}

#[test]
fn rules_keep_their_order_and_say_one_thing_each() {
    let web = service(
        "rule = [{ header = 'X-Team', value = 'shop', track = 'canary' }, \
         { cookie = 'Beta', value = 'yes', track = 'canary' }, { network = '10.0.0.7', track = 'stable' }]",
    );
    let [header, cookie, network] = &web.rules[..] else { panic!("{:?}", web.rules) };
    assert_eq!(header.condition, Condition::Header { name: "x-team".parse().unwrap(), value: "shop".parse().unwrap() });
    assert_eq!(cookie.condition, Condition::Cookie { name: "Beta".into(), value: "yes".into() });
    assert_eq!(network.condition, Condition::Network("10.0.0.7/32".parse().unwrap()));
    assert_eq!([header, cookie, network].map(|rule| rule.track), [Track::Canary, Track::Canary, Track::Stable]);
}

#[test]
fn the_ends_of_every_range_are_allowed() {
    for keys in [
        "retry = { buffer = 0, canary_statuses = [], stable_statuses = ['400-599'], budget_min = 0 }",
        "retry = { buffer = 1048576, budget_percent = 100, budget_min = 1000 }",
        "outlier = { consecutive = 0, success_percent = 0, window = '1s', min_requests = 1, max_ejected_percent = 0 }",
        "outlier = { consecutive = 1000, success_percent = 100, window = '10m', min_requests = 100000 }",
        "retry.budget_percent = 0",
        "outlier = { max_ejected_percent = 100, base_ejection = '7s', max_ejection = '7s' }",
        "limits = { connections = 1000000, requests = 1000000, queue = 1000000 }",
        "limits = { connections = 1, queue = 1, queue_timeout = '1ms' }",
        "cookie = { max_age = '400days' }",
        "stable.min_up = 0",
        "stable.min_up = 1",
        "canary.slow_start = '1day'",
    ] {
        service(keys);
    }
}

#[test]
fn two_services_may_not_keep_their_visitors_with_one_cookie() {
    let pair = |affinity: &str| {
        format!(
            "[[service]]\nname = 'a'\naffinity = 'track'\ncookie.name = 'visit'\nstable.backends = ['a:1']\n\
             [[service]]\nname = 'b'\naffinity = '{affinity}'\ncookie.name = 'visit'\nhosts = ['x']\n\
             stable.backends = ['b:1']\n"
        )
    };
    let problems = super::problems(&pair("backend"));
    assert_eq!((problems.len(), problems[0].key.as_str()), (1, "service[1].cookie.name"), "{problems:#?}");
    assert!(problems[0].why.contains("`a`"), "{}", problems[0]);
    assert_eq!(super::problems(&pair("none")), []);
}
