//! The agent of a host: from a metric to the key in Redis, and to the balancer.

use std::time::Duration;

use serde_json::Value;

use crate::support::agent::Host;
use crate::support::coalmine::{run, text};
use crate::support::config::file;
use crate::support::smtp::Smtp;
use crate::support::{Backend, Config, Redis, eventually, for_a_while};

const KEY: &str = "coalmine:alert:web:web2";

/// Above 45 for a second; the alert lives so long that nobody is late to renew it.
const RULE: &str = "name = \"value\"\nmetric = \"check.value\"\nabove = 45\nclear = 40\nfor = \"1s\"\n\
                    service = \"web\"\nttl = \"30s\"";

/// The same, which tells people alone.
const TOLD: &str = "name = \"value\"\nmetric = \"check.value\"\nabove = 45\nclear = 40\nfor = \"1s\"\nservice = \"web\"\n\
                    actions = [\"mail\"]";

/// In which a second mail would have come.
const QUIET: Duration = Duration::from_millis(500);

/// What stands, or nothing.
fn alert(redis: &Redis) -> String {
    redis.cli(&["GET", KEY])
}

#[track_caller]
fn wait_raised(redis: &Redis) -> Value {
    eventually("the alert is raised", || !alert(redis).is_empty());
    serde_json::from_str(&alert(redis)).unwrap()
}

#[track_caller]
fn wait_cleared(redis: &Redis) {
    eventually("the alert is cleared", || alert(redis).is_empty());
}

/// Stands without a gap until its life has been made longer.
#[track_caller]
fn wait_renewed(redis: &Redis) {
    let mut last = life(redis);
    eventually("the alert is renewed", || {
        assert!(!alert(redis).is_empty(), "it blinks");
        let before = std::mem::replace(&mut last, life(redis));
        last > before
    });
}

/// Milliseconds; -1: no end, -2: it does not stand.
fn life(redis: &Redis) -> i64 {
    redis.cli(&["PTTL", KEY]).parse().unwrap()
}

#[test]
fn a_breach_raises_an_alert_that_stands_renewed_until_the_recovery() {
    let redis = Redis::start();
    let host = Host::new(&redis, &[&RULE.replace("30s", "12s")]);
    let _agent = host.watch();
    host.measure(83);
    let alert = wait_raised(&redis);
    assert_eq!(alert["reason"], "check.value 83 above 45 for 1 s");
    assert_eq!((&alert["by"], &alert["rule"]), (&"monitor@web2".into(), &"value".into()));
    assert_eq!((alert["value"].as_f64(), alert["threshold"].as_f64()), (Some(83.0), Some(45.0)));
    assert!(alert["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{alert}");
    assert!((1..=12_000).contains(&life(&redis)));
    host.measure(41);
    wait_renewed(&redis);
    wait_renewed(&redis);
    host.measure(40);
    wait_cleared(&redis);
}

#[test]
fn the_boundary_and_a_spike_that_is_too_short_do_nothing() {
    let redis = Redis::start();
    let host = Host::new(&redis, &[&RULE.replace("1s", "1h")]);
    let mut agent = host.watch();
    eventually("it watches", || agent.stderr.text().contains("the alert store answers"));
    for value in [45, 100, 45, 5] {
        host.measure(value);
        for_a_while(Duration::from_millis(300));
        assert_eq!(alert(&redis), "", "{value}");
    }
    agent.kill();
    let boundary = Host::new(&redis, &[RULE]);
    boundary.measure(45);
    let agent = boundary.watch();
    eventually("it watches", || agent.stderr.text().contains("the alert store answers"));
    for_a_while(Duration::from_secs(2));
    assert_eq!(alert(&redis), "");
    boundary.measure(46);
    wait_raised(&redis);
}

#[test]
fn two_rules_of_a_service_are_one_alert_that_one_recovery_leaves_standing() {
    let redis = Redis::start();
    let lower = RULE.replace("\"value\"", "\"lower\"").replace("above = 45\nclear = 40", "above = 10");
    let host = Host::new(&redis, &[RULE, &lower]);
    let _agent = host.watch();
    host.measure(83);
    eventually("both are in it", || alert(&redis).contains("above 45") && alert(&redis).contains("above 10"));
    host.measure(20);
    eventually("one is left", || {
        let alert = alert(&redis);
        assert!(!alert.is_empty(), "it blinks");
        !alert.contains("above 45") && alert.contains("above 10")
    });
    host.measure(5);
    wait_cleared(&redis);
}

#[test]
fn what_happens_while_redis_is_away_is_written_when_it_is_back() {
    let mut redis = Redis::start();
    let host = Host::new(&redis, &[RULE]);
    let agent = host.watch();
    eventually("it watches", || agent.stderr.text().contains("the alert store answers"));
    redis.kill();
    host.measure(83);
    eventually("the rule is broken", || agent.stderr.text().contains("a rule is broken"));
    redis.restart();
    wait_raised(&redis);
    let text = alert(&redis);
    redis.kill();
    host.measure(5);
    eventually("the rule is kept", || agent.stderr.text().contains("kept again"));
    redis.write_while_down(KEY, &text);
    redis.restart();
    wait_cleared(&redis);
}

#[test]
fn an_agent_that_dies_clears_or_keeps_its_alert_as_the_rule_says() {
    let (cleared, kept) = (Redis::start(), Redis::start());
    let host = Host::new(&cleared, &[&RULE.replace("30s", "3s")]);
    let keeper = Host::new(&kept, &[&format!("{RULE}\non_lost = \"keep\"")]);
    let mut agents = [host.watch(), keeper.watch()];
    host.measure(83);
    keeper.measure(83);
    wait_raised(&cleared);
    wait_raised(&kept);
    assert_eq!(life(&kept), -1);
    for agent in &mut agents {
        agent.kill();
    }
    wait_cleared(&cleared);
    assert!(!alert(&kept).is_empty());
}

#[test]
fn a_restart_lets_no_alert_blink_and_clears_what_is_over() {
    let redis = Redis::start();
    let host = Host::new(&redis, &[RULE]);
    let mut agent = host.watch();
    host.measure(83);
    let before = wait_raised(&redis);
    agent.signal("TERM");
    assert_eq!(agent.wait().code, Some(0));
    assert!(!alert(&redis).is_empty(), "a stop leaves it standing");
    let left = life(&redis);
    let mut agent = host.watch();
    eventually("it goes on, and is renewed", || {
        assert_eq!(serde_json::from_str::<Value>(&alert(&redis)).unwrap(), before);
        agent.stderr.text().contains("a rule was broken before this start") && life(&redis) > left
    });
    agent.kill();
    host.measure(5);
    let _agent = host.watch();
    wait_cleared(&redis);
}

#[test]
fn old_names_say_yes_and_no_and_are_left_alone_before() {
    let redis = Redis::start();
    redis.cli(&["RPUSH", "alertValThreshold", "no"]);
    let host = Host::new(&redis, &[&format!("{RULE}\ncompat = [\"list:alertValThreshold\", \"string:alert\"]")]);
    let _agent = host.watch();
    let list = || redis.cli(&["LINDEX", "alertValThreshold", "0"]);
    host.measure(83);
    eventually("the list says yes", || {
        assert!(!list().is_empty(), "no gap");
        list() == "yes"
    });
    eventually("the string says 1", || redis.cli(&["GET", "alert"]) == "1");
    host.measure(5);
    eventually("both say no", || list() == "no" && redis.cli(&["GET", "alert"]) == "0");
    wait_cleared(&redis);
}

#[test]
fn an_overload_of_its_host_takes_the_canary_out_until_it_is_over() {
    let (stable, canary, redis) = (Backend::start("stable"), Backend::start("canary"), Redis::start());
    let coalmine = redis.watched_by(Config::of(&[&stable], &[&canary])).start_admitted();
    let host = Host::new(&redis, &[RULE]);
    let _agent = host.watch();
    host.measure(83);
    coalmine.wait_ejected("web", "alert");
    let owner = coalmine.gate("web")["owners"]["web2"].clone();
    assert_eq!(owner["reason"], "check.value 83 above 45 for 1 s");
    assert_eq!(owner["by"], "monitor@web2");
    host.measure(5);
    coalmine.wait_admitted("web");
}

#[test]
fn a_breach_is_one_mail_and_so_is_its_recovery() {
    let smtp = Smtp::start();
    let host = Host::telling(&smtp, TOLD);
    let _agent = host.watch();
    host.measure(83);
    wait_mails(&smtp, &["[coalmine] FIRING web: web2: check.value 83 above 45 for 1 s"]);
    assert_eq!(smtp.mails()[0].header("X-Coalmine-Topic"), "rule:web2:value");
    // Neither another bad value nor one between the two thresholds is news.
    for value in [99, 41] {
        host.measure(value);
        for_a_while(QUIET);
        assert_eq!(smtp.mails().len(), 1, "{value}");
    }
    host.measure(40);
    wait_mails(
        &smtp,
        &[
            "[coalmine] FIRING web: web2: check.value 83 above 45 for 1 s",
            "[coalmine] RECOVERED web: web2: check.value 40: rule value is kept again",
        ],
    );
    for_a_while(QUIET);
    assert_eq!(smtp.mails().len(), 2);
}

#[test]
fn a_restart_tells_nobody_of_a_breach_again_and_its_end_is_told_though_it_came_meanwhile() {
    let smtp = Smtp::start();
    let host = Host::telling(&smtp, TOLD);
    host.measure(83);
    let mut agent = host.watch();
    eventually("the breach is told", || smtp.mails().len() == 1);
    eventually("it is noted as sent", || host.waiting() == 0);
    agent.kill();
    let mut agent = host.watch();
    eventually("the rule is broken again", || agent.stderr.text().contains("a rule is broken"));
    for_a_while(QUIET);
    assert_eq!(smtp.mails().len(), 1);
    agent.signal("TERM");
    assert_eq!(agent.wait().code, Some(0));
    host.measure(5);
    let _agent = host.watch();
    eventually("its end is told", || smtp.mails().len() == 2);
    assert!(smtp.mails()[1].header("Subject").contains("RECOVERED"), "{:?}", smtp.mails()[1]);
    for_a_while(QUIET);
    assert_eq!(smtp.mails().len(), 2);
}

#[test]
fn what_the_server_does_not_take_waits_for_the_next_agent() {
    let mut smtp = Smtp::away();
    let host = Host::telling(&smtp, TOLD);
    host.measure(83);
    let mut agent = host.watch();
    eventually("the mail waits", || agent.stderr.text().contains("trying until they can"));
    agent.kill();
    smtp.come();
    let _agent = host.watch();
    wait_mails(&smtp, &["[coalmine] FIRING web: web2: check.value 83 above 45 for 1 s"]);
    for_a_while(QUIET);
    assert_eq!(smtp.mails().len(), 1);
}

#[test]
fn a_mail_of_a_test_is_one_mail_or_says_why_not() {
    let smtp = Smtp::start();
    let host = Host::telling(&smtp, TOLD);
    let test = || run(&["monitor", "-c", &host.configuration(), "--test-mail"]);
    smtp.be_busy(1);
    let exit = test();
    assert_eq!((exit.code, exit.stdout.contains("busy, come again")), (Some(1), true), "{exit:?}");
    let exit = test();
    assert_eq!((exit.code, exit.stdout.matches(": sent\n").count()), (Some(0), 1), "{exit:?}");
    assert_eq!(smtp.mails().len(), 1);
    let redis = Redis::stopped();
    let silent = Host::new(&redis, &[RULE]);
    assert_eq!(run(&["monitor", "-c", &silent.configuration(), "--test-mail"]).code, Some(2), "nobody is told");
}

/// Their subjects.
#[track_caller]
fn wait_mails(smtp: &Smtp, subjects: &[&str]) {
    eventually("the mails have come", || smtp.mails().len() == subjects.len());
    let come: Vec<_> = smtp.mails().iter().map(|mail| mail.header("Subject")).collect();
    assert_eq!(come, subjects);
}

#[test]
fn a_configuration_of_an_agent_is_checked_and_shown_with_what_the_host_cannot_give() {
    let rule = "[[rule]]\nname = \"full\"\nmetric = \"disk:/no/such/path\"\nabove = 90\nactions = [\"webhook\"]\n\
                [[notify.webhook]]\nurl = \"http://hook.test/\"\n";
    let (_directory, path) = file("monitor.toml", rule);
    let exit = run(&["monitor", "-c", text(&path), "--check"]);
    assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""));
    assert!(exit.stdout.contains("interval = \"1s\"") && exit.stdout.contains("for = \"30s\""), "{}", exit.stdout);
    assert!(exit.stdout.contains("# disk:/no/such/path: "), "{}", exit.stdout);
    assert!(exit.stdout.parse::<toml::Table>().is_ok(), "{}", exit.stdout);
    let (_directory, path) = file("monitor.toml", &rule.replace("above", "abvoe"));
    let exit = run(&["monitor", "-c", text(&path), "--check"]);
    assert_eq!((exit.code, exit.stdout.as_str()), (Some(2), ""));
    assert!(exit.stderr.contains("rule[0].abvoe") && exit.stderr.contains("did you mean `above`"), "{}", exit.stderr);
}

#[test]
fn one_look_shows_every_metric_and_check() {
    let redis = Redis::stopped();
    let host = Host::new(&redis, &[RULE]);
    host.measure(7);
    let exit = run(&["monitor", "-c", &host.configuration(), "--once"]);
    assert_eq!(exit.code, Some(0), "{exit:?}");
    for metric in ["cpu ", "memory ", "memory_available ", "load1 ", "pressure.io ", "check.value "] {
        assert!(exit.stdout.lines().any(|line| line.starts_with(metric)), "no {metric}in {}", exit.stdout);
    }
    let value = exit.stdout.lines().find_map(|line| line.strip_prefix("check.value")).map(str::trim);
    assert_eq!(value, Some("7"), "{}", exit.stdout);
}
