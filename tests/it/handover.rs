//! A new process takes over from the old one, and no client notices.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::support::client::request;
use crate::support::coalmine::Coalmine;
use crate::support::lineage::has_ended;
use crate::support::{Backend, Config, Connection, Latch, Lineage, Script, Service, Steady, eventually};

#[test]
fn five_upgrades_in_a_row_fail_no_request() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let mut coalmine = Config::of(&[&stable], &[&canary]).start_admitted();
    let lineage = Lineage::of(&coalmine);
    let steady = Steady::start(coalmine.http, 4);
    for _ in 0..5 {
        let begun = steady.begun();
        lineage.upgrade();
        eventually("requests go on", || steady.begun() > begun + 50);
    }
    let tally = steady.stop();
    assert!(tally.by("stable") > 0 && tally.by("canary") > 0, "{tally:?}");
    lineage.wait_old_ended();
    assert_eq!(coalmine.process.wait_code(), Some(0));
    assert_eq!(coalmine.get("/").status(), 200, "the last one serves on");
}

#[test]
fn an_ejected_canary_gets_nothing_over_an_upgrade() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let service = Service::of("web", &[&stable], &[&canary]).quick_probes();
    let coalmine = Config::new().service(service).start_admitted();
    let lineage = Lineage::of(&coalmine);
    canary.set_healthy(false);
    coalmine.wait_ejected("web", "probe");
    let before = canary.count();
    let steady = Steady::start(coalmine.http, 2);
    for _ in 0..2 {
        lineage.upgrade();
        let begun = steady.begun();
        eventually("requests go on", || steady.begun() > begun + 50);
    }
    steady.stop();
    assert_eq!(canary.count(), before);
    assert!(!coalmine.is_admitted("web"));
}

#[test]
fn a_canary_that_live_traffic_ejected_does_not_come_back_by_a_passed_probe() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let service = Service::of("web", &[&stable], &[&canary]).quick_probes();
    let service = service.table("outlier", "base_ejection = \"5m\"\nmax_ejection = \"5m\"");
    let coalmine = Config::new().service(service).start_admitted();
    let lineage = Lineage::of(&coalmine);
    canary.on("", Script::answer(500, "broken"));
    let steady = Steady::start(coalmine.http, 2);
    coalmine.wait_ejected("web", "live");
    canary.on("", Script::answer(200, "canary"));
    let until = coalmine.gate("web")["penalty_until"].clone();
    let before = canary.count();
    for _ in 0..2 {
        let probes = canary.probes().len();
        lineage.upgrade();
        let begun = steady.begun();
        eventually("requests and probes go on", || steady.begun() > begun + 50 && canary.probes().len() > probes + 5);
        assert_eq!(coalmine.reasons("web"), ["live"]);
    }
    steady.stop();
    assert_eq!(canary.count(), before);
    let seconds = |time: &serde_json::Value| humantime::parse_rfc3339(time.as_str().unwrap()).unwrap();
    let (until, after) = (seconds(&until), seconds(&coalmine.gate("web")["penalty_until"]));
    let moved = after.duration_since(until).unwrap_or_else(|earlier| earlier.duration());
    assert!(moved < std::time::Duration::from_secs(5), "the same penalty: {moved:?}");
}

#[test]
fn the_split_goes_on_where_the_old_process_has_come_to() {
    let (a, b, canary) = (Backend::start("a"), Backend::start("b"), Backend::start("canary"));
    let coalmine = Config::of(&[&a, &b], &[&canary]).start_admitted();
    let lineage = Lineage::of(&coalmine);
    let mut served: Vec<String> = Vec::new();
    for requests in [4, 5, 4] {
        served.extend((0..requests).map(|_| coalmine.get("/").text()));
        lineage.upgrade();
        lineage.wait_old_ended();
        coalmine.wait_admitted("web");
    }
    served.extend((0..4).map(|_| coalmine.get("/").text()));
    for window in served.windows(3) {
        assert_eq!(window.iter().filter(|id| *id == "canary").count(), 1, "{served:?}");
    }
}

#[test]
fn a_visitor_is_known_after_an_upgrade() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let service = Service::of("web", &[&stable], &[&canary]).key("affinity = \"track\"");
    let coalmine = Config::new().service(service).start_admitted();
    let lineage = Lineage::of(&coalmine);
    let (cookie, there) = (0..3)
        .find_map(|_| {
            let answer = coalmine.get("/");
            let cookie = answer.head.get("set-cookie")?.split(';').next()?.to_owned();
            (answer.text() == "canary").then(|| (cookie, answer.text()))
        })
        .expect("one of three comes to the canary");
    lineage.upgrade();
    coalmine.wait_admitted("web");
    for _ in 0..3 {
        let answer = coalmine.connect().request("GET", "/", &[&format!("Cookie: {cookie}")]);
        assert_eq!(answer.text(), there);
    }
}

#[test]
fn an_alert_in_memory_stands_over_an_upgrade() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = Config::of(&[&stable], &[&canary]).start_admitted();
    let lineage = Lineage::of(&coalmine);
    coalmine.raise("web");
    coalmine.wait_ejected("web", "alert");
    let before = canary.count();
    let steady = Steady::start(coalmine.http, 2);
    lineage.upgrade();
    let begun = steady.begun();
    eventually("requests go on", || steady.begun() > begun + 50);
    steady.stop();
    assert_eq!(canary.count(), before);
    coalmine.wait_ejected("web", "alert");
    coalmine.clear("web");
    coalmine.wait_admitted("web");
}

/// A connection whose request the backend has and answers with `slow` when `latch` opens.
fn held(coalmine: &Coalmine, backend: &Backend, latch: &Latch) -> Connection {
    backend.on("/slow", Script::new().hold(latch).send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow"));
    let mut running = coalmine.connect();
    running.send(request("GET", "/slow", &[]));
    eventually("the request arrived", || backend.count() == 1);
    running
}

#[test]
fn a_running_request_is_finished_by_the_old_process() {
    let (backend, latch) = (Backend::start("a"), Latch::shut());
    let mut coalmine = Config::of(&[&backend], &[]).start();
    let lineage = Lineage::of(&coalmine);
    let mut running = held(&coalmine, &backend, &latch);
    lineage.upgrade();
    assert_eq!(coalmine.get("/").text(), "a", "the new one serves");
    assert!(!coalmine.process.has_ended());
    latch.open();
    assert_eq!(running.receive().text(), "slow");
    assert_eq!(coalmine.process.wait_code(), Some(0));
}

#[test]
fn a_signal_to_stop_after_an_upgrade_cuts_no_running_request_off() {
    let (backend, latch) = (Backend::start("a"), Latch::shut());
    let mut coalmine = Config::of(&[&backend], &[]).start();
    let lineage = Lineage::of(&coalmine);
    let mut running = held(&coalmine, &backend, &latch);
    lineage.upgrade();
    coalmine.process.signal("TERM");
    let log = coalmine.process.stderr.clone();
    eventually("it is heard", || coalmine.process.has_ended() || log.text().contains("stopping already"));
    latch.open();
    assert_eq!(running.receive().text(), "slow");
    assert_eq!(coalmine.process.wait_code(), Some(0));
}

#[test]
fn a_reload_that_is_asked_of_the_old_process_is_done_by_the_new_one() {
    let backend = Backend::start("a");
    let latch = Latch::shut();
    backend.on("/slow", Script::new().hold(&latch).send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow"));
    let coalmine = Config::of(&[&backend], &[]).start();
    let lineage = Lineage::of(&coalmine);
    let mut running = coalmine.connect();
    running.send(request("GET", "/slow", &[]));
    eventually("the request arrived", || backend.count() == 1);
    lineage.upgrade();
    coalmine.process.signal("HUP");
    let log = coalmine.process.stderr.clone();
    eventually("it is loaded", || log.text().contains("configuration loaded again"));
    latch.open();
    assert_eq!(running.receive().text(), "slow");
}

#[test]
fn an_idle_connection_has_one_more_request_and_is_told_that_it_is_the_last() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let lineage = Lineage::of(&coalmine);
    let mut idle = coalmine.connect();
    assert_eq!(idle.get("/").head.get("connection"), None);
    lineage.upgrade();
    let last = idle.get("/");
    assert_eq!((last.text().as_str(), last.head.get("connection").as_deref()), ("a", Some("close")));
    assert_eq!(idle.receive_to_end().unwrap(), b"");
}

#[test]
fn a_successor_with_a_broken_configuration_changes_nothing() {
    let backend = Backend::start("a");
    let config = Config::of(&[&backend], &[]);
    let mut coalmine = config.clone().start();
    let lineage = Lineage::of(&coalmine);
    let mut idle = coalmine.connect();
    assert_eq!(idle.get("/").text(), "a");
    coalmine.rewrite("nonsense = true");
    coalmine.process.signal("USR2");
    let log = coalmine.process.stderr.clone();
    eventually("it says why", || {
        log.text().contains("the successor does not serve") && log.text().contains("nonsense")
    });
    assert_eq!(idle.get("/").head.get("connection"), None, "serving as before");
    assert!(coalmine.is_ready() && !coalmine.process.has_ended());
    coalmine.rewrite(&config.text());
    lineage.upgrade();
    assert_eq!(coalmine.get("/").text(), "a");
    assert_eq!(coalmine.process.wait_code(), Some(0));
}

#[test]
fn the_program_that_the_path_leads_to_now_is_started() {
    let backend = Backend::start("a");
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("coalmine");
    symlink(env!("CARGO_BIN_EXE_coalmine"), &program).unwrap();
    let mut coalmine = Coalmine::start_as(&Config::of(&[&backend], &[]), &program);
    coalmine.wait_ready();
    let lineage = Lineage::of(&coalmine);
    become_script(&program, "echo upgraded >&2; exit 7");
    coalmine.process.signal("USR2");
    let log = coalmine.process.stderr.clone();
    eventually("the new one was started", || log.text().contains("upgraded"));
    eventually("it says how that ended", || log.text().contains("exit status: 7"));
    assert_eq!(coalmine.get("/").text(), "a");
    assert!(lineage.successors().into_iter().all(has_ended));
    assert!(!coalmine.process.has_ended());
}

#[test]
fn a_stop_while_handing_over_ends_the_successor_as_well() {
    let backend = Backend::start("a");
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("coalmine");
    symlink(env!("CARGO_BIN_EXE_coalmine"), &program).unwrap();
    let mut coalmine = Coalmine::start_as(&Config::of(&[&backend], &[]), &program);
    coalmine.wait_ready();
    let lineage = Lineage::of(&coalmine);
    become_script(&program, "exec sleep 60");
    coalmine.process.signal("USR2");
    eventually("the new one was started", || lineage.successors().len() == 1);
    assert_eq!(coalmine.get("/").text(), "a", "the old one serves until the new one does");
    coalmine.process.signal("TERM");
    assert_eq!(coalmine.process.wait_code(), Some(0));
    eventually("the successor is ended", || lineage.successors().into_iter().all(has_ended));
}

#[test]
fn another_number_of_workers_and_other_addresses_are_taken_over() {
    let backend = Backend::start("a");
    let of = |http: &str, workers: u8| {
        Config::of(&[&backend], &[]).listen(&format!("http = [{http}]")).listen(&format!("workers = {workers}"))
    };
    let coalmine = of("\"127.0.0.1:0\", \"127.0.0.2:0\"", 2).start();
    let lineage = Lineage::of(&coalmine);
    let http = coalmine.listeners("http");
    let (kept, gone) = (http[0], http[1]);
    let rewrite = |http: &str, workers| {
        let admin = format!("listen = \"{}\"", coalmine.admin);
        coalmine.rewrite(&of(http, workers).admin(&admin).text());
    };

    rewrite(&format!("\"{kept}\", \"127.0.0.3:0\""), 1);
    let steady = Steady::start(kept, 2);
    lineage.upgrade();
    eventually("the address that is gone refuses", || Connection::try_open(gone).is_err());
    let new = *coalmine.listeners("http").last().unwrap();
    assert!(new.ip().to_string() == "127.0.0.3", "{new}");
    assert_eq!(Connection::open(new).get("/").text(), "a");

    rewrite(&format!("\"{kept}\", \"{new}\""), 3);
    lineage.upgrade();
    lineage.wait_old_ended();
    let begun = steady.begun();
    eventually("requests go on", || steady.begun() > begun + 50);
    steady.stop();
    assert_eq!(Connection::open(new).get("/").text(), "a");
}

#[test]
fn a_second_upgrade_while_the_first_goes_on_is_refused() {
    let backend = Backend::start("a");
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("coalmine");
    symlink(env!("CARGO_BIN_EXE_coalmine"), &program).unwrap();
    let coalmine = Coalmine::start_as(&Config::of(&[&backend], &[]), &program);
    coalmine.wait_ready();
    let lineage = Lineage::of(&coalmine);
    become_script(&program, "exec sleep 60");
    coalmine.process.signal("USR2");
    eventually("the new one was started", || lineage.successors().len() == 1);
    coalmine.process.signal("USR2");
    let log = coalmine.process.stderr.clone();
    eventually("it says so", || log.text().contains("a successor is being started already"));
    assert_eq!(lineage.successors().len(), 1);
}

/// Puts a shell script where the program was.
fn become_script(program: &Path, script: &str) {
    let new = program.with_extension("new");
    fs::write(&new, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&new, program).unwrap();
}
