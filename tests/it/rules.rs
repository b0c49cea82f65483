//! Requests that say by themselves where they go: testers, rules, and a split by a field.

use crate::support::coalmine::Coalmine;
use crate::support::config::file;
use crate::support::{Backend, Config, Service};

/// The service `web` at 2:1, or with no weight for the canary.
fn service(stable: &Backend, canary: &Backend, canary_weight: u16) -> Service {
    let service = Service::new("web").named("stable", 2, &[stable]).named("canary", canary_weight, &[canary]);
    service.probe("timeout = \"5s\"").quick_probes()
}

/// Who answers a request with these fields.
fn answer(coalmine: &Coalmine, fields: &[&str]) -> String {
    coalmine.connect().request("GET", "/", fields).text()
}

fn always(coalmine: &Coalmine, fields: &[&str], expected: &str) {
    for _ in 0..4 {
        assert_eq!(answer(coalmine, fields), expected, "{fields:?}");
    }
}

const TESTER: &str = "header = \"X-Canary\"\ncookie = \"canary\"";

#[test]
fn testers_choose_by_a_header_or_a_cookie_and_take_no_ticket() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let service = service(&stable, &canary, 1).table("tester", TESTER);
    let coalmine = Config::new().service(service).start_admitted();
    let mut others = Vec::new();
    for _ in 0..6 {
        always(&coalmine, &["X-Canary: always"], "canary");
        always(&coalmine, &["X-Canary: never"], "stable");
        always(&coalmine, &["Cookie: a=1; canary=always"], "canary");
        always(&coalmine, &["Cookie: canary=never"], "stable");
        always(&coalmine, &["X-Canary: always", "Cookie: canary=never"], "canary");
        others.push(answer(&coalmine, &[]));
    }
    assert_eq!(others, ["stable", "canary", "stable", "stable", "canary", "stable"]);
    let sent = canary.requests().into_iter().find_map(|request| request.head.get("x-canary"));
    assert_eq!(sent.as_deref(), Some("always"), "the backend may look at it as well");
}

#[test]
fn testers_reach_a_canary_without_weight_and_nobody_else_does() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = Config::new().service(service(&stable, &canary, 0).table("tester", TESTER)).start_admitted();
    always(&coalmine, &["X-Canary: always"], "canary");
    always(&coalmine, &[], "stable");
}

#[test]
fn testers_do_not_reach_a_canary_that_is_out() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = Config::new().service(service(&stable, &canary, 1).table("tester", TESTER)).start_admitted();
    coalmine.raise("web");
    coalmine.wait_ejected("web", "alert");
    always(&coalmine, &["X-Canary: always"], "stable");
}

#[test]
fn a_testers_secret_is_asked_for_and_kept_from_the_backends() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let (_folder, file) = file("secret", "open-sesame\n");
    let tester = format!("{TESTER}\nsecret_file = \"{}\"", file.display());
    let coalmine = Config::new().service(service(&stable, &canary, 0).table("tester", &tester)).start_admitted();
    always(&coalmine, &["X-Canary: always:open-sesame"], "canary");
    always(&coalmine, &["Cookie: canary=always:open-sesame"], "canary");
    for wrong in ["always", "always:", "always:open", "always:open-sesame2"] {
        always(&coalmine, &[&format!("X-Canary: {wrong}")], "stable");
    }
    let sent = stable.requests().into_iter().chain(canary.requests());
    assert!(sent.into_iter().all(|request| request.head.get("x-canary").is_none()));
}

#[test]
fn without_tester_keys_the_header_is_one_like_any_other() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = Config::new().service(service(&stable, &canary, 0)).start_admitted();
    always(&coalmine, &["X-Canary: always"], "stable");
}

#[test]
fn the_first_rule_that_matches_decides_and_a_tester_stands_above_it() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let service = service(&stable, &canary, 0)
        .table("tester", TESTER)
        .rule("header = \"X-Team\"\nvalue = \"blue\"\ntrack = \"stable\"")
        .rule("cookie = \"beta\"\nvalue = \"1\"\ntrack = \"canary\"")
        .rule("header = \"x-team\"\nvalue = \"green\"\ntrack = \"canary\"");
    let coalmine = Config::new().service(service).start_admitted();
    always(&coalmine, &["X-Team: green"], "canary");
    always(&coalmine, &["Cookie: a=1; beta=1"], "canary");
    always(&coalmine, &["X-Team: blue", "Cookie: beta=1"], "stable");
    always(&coalmine, &["X-Team: greenish", "Cookie: beta=2"], "stable");
    always(&coalmine, &["X-Team: green", "X-Canary: never"], "stable");
    always(&coalmine, &["X-Team: blue", "X-Canary: always"], "canary");
}

#[test]
fn a_network_is_the_clients_and_a_proxy_is_believed_only_where_it_is_trusted() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let service = || service(&stable, &canary, 0).rule("network = \"198.51.100.0/24\"\ntrack = \"canary\"");
    let inside = "X-Forwarded-For: 192.0.2.1, 198.51.100.7, 127.0.0.9";
    let outside = "X-Forwarded-For: 198.51.100.7, 192.0.2.1";
    let trusting = "trusted_proxies = [\"127.0.0.0/8\"]";
    let coalmine = Config::new().listen(trusting).service(service()).start_admitted();
    always(&coalmine, &[inside], "canary");
    always(&coalmine, &[outside], "stable");
    always(&coalmine, &[], "stable");
    let coalmine = Config::new().service(service()).start_admitted();
    always(&coalmine, &[inside], "stable");
    let own = crate::rules::service(&stable, &canary, 0).rule("network = \"127.0.0.0/8\"\ntrack = \"canary\"");
    always(&Config::new().service(own).start_admitted(), &[inside], "canary");
}

#[test]
fn a_field_splits_its_values_alike_in_every_balancer_and_leaves_the_turns_to_the_rest() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let start = || Config::new().service(service(&stable, &canary, 1).key("split_by = \"X-User\"")).start_admitted();
    let (one, two) = (start(), start());
    let mut turns = Vec::new();
    let users: Vec<_> = (0..60).map(|user| format!("X-User: user-{user}")).collect();
    let tracks: Vec<_> = users.iter().map(|user| answer(&one, &[user])).collect();
    for (user, track) in users.iter().zip(&tracks) {
        assert_eq!((&answer(&one, &[user]), &answer(&two, &[user])), (track, track));
        turns.push(answer(&one, &[]));
    }
    let canaries = tracks.iter().filter(|track| *track == "canary").count();
    assert!((10..=30).contains(&canaries), "a third of 60, about: {canaries}");
    assert!(turns.windows(3).all(|window| window.iter().filter(|track| *track == "canary").count() == 1), "{turns:?}");
}
