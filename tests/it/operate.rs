//! The operator's commands and the API behind them.

use std::process::Command;

use serde_json::json;

use crate::support::client::request;
use crate::support::coalmine::{Coalmine, run, run_with, spawn};
use crate::support::config::file;
use crate::support::eventually::eventually_some;
use crate::support::process::Exit;
use crate::support::{Backend, Config, Latch, Script, Service, eventually, load};

#[test]
fn status_is_a_table_for_people_and_json_for_programs() {
    let (_backends, coalmine) = web();
    let table = ask(&coalmine, &["status"]);
    assert_eq!((table.code, table.stderr.as_str()), (Some(0), ""));
    for shown in ["service web", "2:1", "admitted", "stable", "canary", "in flight", "127.0.0.1:"] {
        assert!(table.stdout.contains(shown), "no `{shown}` in\n{}", table.stdout);
    }
    assert_eq!(ask(&coalmine, &["status", "web"]).code, Some(0));
    let json = ask(&coalmine, &["status", "web", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["name"], &json["min_up"]), (&json!("web"), &json!(0)));
    assert_eq!(json["tracks"]["stable"]["configured_weight"], 2);
    let one = coalmine.ask("GET", "/api/v1/services/web").json();
    assert_eq!(one["name"], "web");
}

#[test]
fn status_watches_and_outlives_a_restart_of_the_balancer() {
    let (_backends, mut coalmine) = web();
    let admin = format!("http://{}", coalmine.admin);
    let watch = spawn(&["status", "web", "--watch", "--admin", &admin], &[]);
    let seen = |text: &str| watch.stdout.text().matches(text).count();
    eventually("it looks twice", || seen("service web") >= 2);
    coalmine.process.kill();
    eventually("it says that nobody answers", || seen("is the balancer running?") >= 1);
}

#[test]
fn an_alert_is_raised_and_cleared_by_command() {
    let (_backends, coalmine) = web();
    let raised = ask(&coalmine, &["alert", "web", "looks odd", "--by", "ops"]);
    assert_eq!(raised.code, Some(0), "{raised:?}");
    coalmine.wait_ejected("web", "alert");
    assert_eq!(coalmine.gate("web")["owners"]["api"], json!({"reason": "looks odd", "by": "ops"}));
    assert!(ask(&coalmine, &["status"]).stdout.contains("looks odd (ops)"));
    assert_eq!(ask(&coalmine, &["clear", "web"]).code, Some(0));
    coalmine.wait_admitted("web");
}

#[test]
fn who_asks_is_the_user_unless_said_otherwise_and_is_logged_once() {
    let (_backends, coalmine) = web();
    let admin = format!("http://{}", coalmine.admin);
    let exit = run_with(&["alert", "web", "--admin", &admin], &[("USER", "alice")]);
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert_eq!(coalmine.gate("web")["owners"]["api"]["by"], "alice");
    let log = coalmine.process.stderr.text();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("changed by an operator")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    for told in ["alert raised", "alice", "web", "127.0.0.1:"] {
        assert!(lines[0].contains(told), "no `{told}` in {}", lines[0]);
    }
}

#[test]
fn an_override_of_the_weights_splits_the_requests_until_it_is_reset() {
    let (_backends, coalmine) = web();
    let set = ask(&coalmine, &["weight", "web", "1:4"]);
    assert_eq!(set.code, Some(0), "{set:?}");
    assert!(set.stdout.contains("1:4") && set.stdout.contains("2:1"), "{}", set.stdout);
    eventually("the override is routed by", || coalmine.service("web")["tracks"]["canary"]["weight"] == 4);
    assert_eq!(coalmine.service("web")["tracks"]["canary"]["configured_weight"], 1);
    assert_eq!(load(coalmine.http, 50, 2).by("canary"), 40);
    let reset = ask(&coalmine, &["weight", "web", "--reset"]);
    assert_eq!((reset.code, reset.stdout.contains("2:1")), (Some(0), true), "{reset:?}");
    eventually("the file's weights are routed by", || coalmine.service("web")["tracks"]["canary"]["weight"] == 1);
    assert_eq!(load(coalmine.http, 30, 2).by("canary"), 10);
}

#[test]
fn the_canary_is_ejected_and_readmitted_by_hand() {
    let (_backends, coalmine) = web();
    assert_eq!(ask(&coalmine, &["eject", "web", "looks odd", "--by", "ops"]).code, Some(0));
    coalmine.wait_ejected("web", "operator");
    assert_eq!(load(coalmine.http, 30, 2).by("stable"), 30);
    assert!(ask(&coalmine, &["status", "web"]).stdout.contains("looks odd (ops)"));
    assert_eq!(ask(&coalmine, &["readmit", "web"]).code, Some(0));
    eventually("requests reach the canary again", || load(coalmine.http, 3, 1).by("canary") > 0);
}

#[test]
fn the_last_backend_that_is_up_is_never_reported_idle_while_it_drains() {
    let [a, b] = ["a", "b"].map(Backend::start);
    let coalmine = Config::new().service(Service::of("web", &[&a, &b], &[]).quick_probes()).start();
    coalmine.wait_backend("web", "stable", "a", "up");
    b.set_healthy(false);
    coalmine.wait_backend("web", "stable", "b", "down");
    let drained = coalmine.ask("POST", "/api/v1/services/web/backends/a/drain");
    let answer = drained.json();
    assert_eq!((drained.status(), &answer["idle"], &answer["held"]), (202, &json!(false), &json!(true)), "{answer}");
    assert_eq!(load(coalmine.http, 10, 2).by("a"), 10, "nobody could take over");
    let told = ask(&coalmine, &["drain", "web", "a"]);
    assert!(told.code == Some(0) && told.stdout.contains("until another one is up"), "{told:?}");
    assert_eq!(ask(&coalmine, &["drain", "web", "a", "--wait", "100ms"]).code, Some(1));
    b.set_healthy(true);
    assert_eq!(ask(&coalmine, &["drain", "web", "a", "--wait", "1m"]).code, Some(0));
    assert_eq!(load(coalmine.http, 10, 2).by("b"), 10);
}

#[test]
fn a_drained_backend_gets_nothing_new_and_is_idle_when_its_last_request_has_ended() {
    let [a, b] = ["a", "b"].map(Backend::start);
    let coalmine = Config::new().service(Service::of("web", &[&a, &b], &[]).quick_probes()).start();
    let latch = Latch::shut();
    for backend in [&a, &b] {
        let held = Script::new().hold(&latch).send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        backend.on("/slow", held);
    }
    let mut slow = coalmine.connect();
    slow.send(request("GET", "/slow", &[]));
    let busy = eventually_some("a slow request runs", || {
        ["a", "b"].into_iter().find(|id| coalmine.backend("web", "stable", id)["in_flight"] == 1)
    });
    let other = if busy == "a" { "b" } else { "a" };

    let drained = coalmine.ask("POST", &format!("/api/v1/services/web/backends/{busy}/drain"));
    assert_eq!(drained.status(), 202);
    let drained = drained.json();
    assert_eq!((&drained["backend"], &drained["draining"]), (&json!(busy), &json!(true)));
    assert_eq!((&drained["idle"], &drained["in_flight"]), (&json!(false), &json!(1)));
    let waited = ask(&coalmine, &["drain", "web", busy, "--wait", "100ms"]);
    assert_eq!((waited.code, waited.stdout.as_str()), (Some(1), ""), "{waited:?}");
    assert!(waited.stderr.contains("1 requests in flight"), "{}", waited.stderr);
    assert_eq!(load(coalmine.http, 20, 2).by(other), 20);

    let admin = format!("http://{}", coalmine.admin);
    let mut waiting = spawn(&["drain", "web", busy, "--wait", "1m", "--admin", &admin], &[]);
    latch.open();
    assert_eq!(slow.receive().text(), "ok");
    let idle = waiting.wait();
    assert_eq!((idle.code, idle.stdout.contains("idle")), (Some(0), true), "{idle:?}");

    assert_eq!(ask(&coalmine, &["undrain", "web", busy]).code, Some(0));
    eventually("it gets requests again", || load(coalmine.http, 4, 1).by(busy) > 0);
}

#[test]
fn a_backend_is_named_by_its_address_when_it_has_no_name() {
    let [a, b] = ["a", "b"].map(Backend::start);
    let service = Service::new("web").track("stable", 1, &[a.address, b.address]).quick_probes();
    let coalmine = Config::new().service(service).start();
    let id = a.address.to_string();
    assert_eq!(ask(&coalmine, &["drain", "web", &id, "--wait", "1m"]).code, Some(0));
    assert_eq!(coalmine.backend("web", "stable", &id)["draining"], true);
}

#[test]
fn a_reload_of_an_unchanged_file_changes_nothing() {
    let (_backends, coalmine) = web();
    let reloaded = ask(&coalmine, &["reload"]);
    assert_eq!((reloaded.code, reloaded.stdout.as_str()), (Some(0), "nothing has changed\n"), "{reloaded:?}");
}

#[test]
fn what_the_balancer_does_not_do_is_told_with_a_remedy_and_exit_1() {
    let (_backends, coalmine) = web();
    for (arguments, told) in [
        (&["status", "shop"][..], "/api/v1/services"),
        (&["alert", "shop"], "/api/v1/services"),
        (&["weight", "../web", "1:1"], "/api/v1/services"),
        (&["eject", "shop"], "/api/v1/services"),
        (&["drain", "web", "nobody"], "`stable`, `canary`"),
        (&["undrain", "web", "nobody"], "`stable`, `canary`"),
        (&["drain", "web", "stable", "--wait", "6m"], "5m"),
        (&["drain", "web", "stable", "--wait", "18446744073709551615s"], "5m"),
        (&["lease", "web", "nobody"], "`stable`"),
        (&["lease", "web", "canary"], "stable"),
        (&["lease", "web", "stable", "--ttl", "2h"], "1h"),
    ] {
        let exit = ask(&coalmine, arguments);
        assert_eq!((exit.code, exit.stdout.as_str()), (Some(1), ""), "{arguments:?} {exit:?}");
        assert!(exit.stderr.starts_with("coalmine: ") && exit.stderr.contains(told), "{arguments:?} {}", exit.stderr);
    }
    assert!(coalmine.is_admitted("web"));
}

#[test]
fn a_service_without_a_canary_has_nothing_to_weigh_or_eject() {
    let stable = Backend::start("stable");
    let coalmine = Config::of(&[&stable], &[]).start();
    for arguments in [&["weight", "web", "1:1"][..], &["eject", "web"]] {
        let exit = ask(&coalmine, arguments);
        assert_eq!(exit.code, Some(1), "{arguments:?} {exit:?}");
        assert!(exit.stderr.contains("no canary"), "{}", exit.stderr);
    }
}

#[test]
fn a_wrong_command_line_and_a_balancer_that_is_not_there_are_exit_2() {
    let nobody = "--admin=http://127.0.0.1:1";
    for (arguments, told) in [
        (&["weight", "web", "9"][..], "9:1"),
        (&["weight", "web", "0:0"], "0:0"),
        (&["weight", "web"], "STABLE:CANARY"),
        (&["weight", "web", "1:1", "--reset"], "--reset"),
        (&["drain", "web"], "BACKEND"),
        (&["drain", "web", "a", "--wait", "soon"], "soon"),
        (&["lease", "web", "a", "--ttl", "soon"], "soon"),
        (&["status", "--admin", "https://127.0.0.1:9900"], "http"),
        (&["status", "--json", "--watch"], "--watch"),
        (&["status", "--token-file", "/nowhere/token"], "/nowhere/token"),
        (&["status", nobody], "is the balancer running?"),
        (&["reload", nobody], "is the balancer running?"),
    ] {
        let exit = run(arguments);
        assert_eq!((exit.code, exit.stdout.as_str()), (Some(2), ""), "{arguments:?} {exit:?}");
        assert!(exit.stderr.contains(told), "{arguments:?} {}", exit.stderr);
    }
}

#[test]
fn a_server_that_is_no_balancer_is_recognised() {
    let backend = Backend::start("a");
    let exit = run(&["status", "--admin", &backend.address.to_string()]);
    assert_eq!(exit.code, Some(2), "{exit:?}");
    assert!(exit.stderr.contains("admin.listen"), "{}", exit.stderr);
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in
        ["status", "reload", "weight", "alert", "clear", "eject", "readmit", "drain", "undrain", "lease", "release"]
    {
        let exit = run(&[command, "--help"]);
        assert_eq!(exit.code, Some(0), "{command}");
        assert!(exit.stdout.contains("Example:\n"), "{}", exit.stdout);
    }
}

#[test]
fn with_a_token_every_change_needs_it_and_looking_does_not() {
    let (_directory, file) = file("token", "hunter2hunter2hunter2\n");
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let config = Config::of(&[&stable], &[&canary]).admin(&format!("token_file = \"{}\"", file.display()));
    let coalmine = config.start_admitted();
    assert_eq!(ask(&coalmine, &["status"]).code, Some(0));
    for change in [
        &["alert", "web"][..],
        &["clear", "web"],
        &["weight", "web", "1:1"],
        &["weight", "web", "--reset"],
        &["eject", "web"],
        &["readmit", "web"],
        &["drain", "web", "stable"],
        &["undrain", "web", "stable"],
        &["lease", "web", "stable"],
        &["release", "web", "1"],
        &["reload"],
    ] {
        let exit = ask(&coalmine, change);
        assert_eq!(exit.code, Some(1), "{change:?} {exit:?}");
        assert!(exit.stderr.contains("--token-file"), "{change:?} {}", exit.stderr);
    }
    assert!(coalmine.is_admitted("web"));
    let admin = format!("http://{}", coalmine.admin);
    let variables = [("COALMINE_ADMIN_URL", admin.as_str()), ("COALMINE_TOKEN_FILE", file.to_str().unwrap())];
    let exit = run_with(&["alert", "web"], &variables);
    assert_eq!(exit.code, Some(0), "{exit:?}");
    coalmine.wait_ejected("web", "alert");
}

#[test]
fn mistakes_in_a_request_are_json_with_error_and_remedy() {
    let (_backends, coalmine) = web();
    let long = format!(r#"{{"reason": "{}"}}"#, "x".repeat(20_000));
    for (method, target, body, status) in [
        ("PUT", "/api/v1/services/web/weights", "", 400),
        ("PUT", "/api/v1/services/web/weights", r#"{"stable": 0, "canary": 0}"#, 400),
        ("PUT", "/api/v1/services/web/weights", r#"{"stable": 1001, "canary": 1}"#, 400),
        ("PUT", "/api/v1/services/web/weights", r#"{"stable": 1, "canary": 1, "until": "noon"}"#, 400),
        ("PUT", "/api/v1/services/web/ejection", "[1]", 400),
        ("PUT", "/api/v1/services/web/alert", long.as_str(), 413),
        ("POST", "/api/v1/services/web/backends/stable/drain?wait=6m", "", 400),
        ("POST", "/api/v1/services/web/backends/stable/drain?until=noon", "", 400),
        ("POST", "/api/v1/services/web/backends/stable/drain", r#"{"keep_sessions": "yes"}"#, 400),
        ("POST", "/api/v1/services/web/backends/stable%2Fx/drain", "", 404),
        ("POST", "/api/v1/services/web/lease", "", 400),
        ("POST", "/api/v1/services/web/lease", r#"{"backend": "stable", "ttl": "0s"}"#, 400),
        ("PUT", "/api/v1/services/web/lease/1", r#"{"ttl": "2h"}"#, 400),
        ("GET", "/api/v1/services/shop", "", 404),
    ] {
        let answer = coalmine.ask_with(method, target, &[], body);
        assert_eq!(answer.status(), status, "{method} {target} {body:.60}: {}", answer.text());
        let answer = answer.json();
        assert!(answer["error"].is_string() && answer["remedy"].is_string(), "{answer}");
    }
    assert!(coalmine.is_admitted("web"));
}

#[test]
fn a_reader_that_goes_away_ends_a_watch() {
    let (_backends, coalmine) = web();
    let script = format!("{} status --watch --admin {} | head -n 1", env!("CARGO_BIN_EXE_coalmine"), coalmine.admin);
    let output = Command::new("timeout").args(["30", "sh", "-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "service web\n");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{error}");
}

/// A stable and a canary backend, admitted.
fn web() -> ([Backend; 2], Coalmine) {
    let backends = [Backend::start("stable"), Backend::start("canary")];
    let [stable, canary] = &backends;
    let coalmine = Config::new().service(Service::of("web", &[stable], &[canary]).quick_probes()).start_admitted();
    (backends, coalmine)
}

/// A command to this balancer.
#[track_caller]
fn ask(coalmine: &Coalmine, arguments: &[&str]) -> Exit {
    let admin = format!("http://{}", coalmine.admin);
    run(&[arguments, &["--admin", &admin]].concat())
}
