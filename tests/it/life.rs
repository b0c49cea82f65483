//! How the program starts, ends, and gets by when the system has nothing left to give.

use std::net::TcpListener;
use std::time::Duration;

use crate::support::client::{get, request};
use crate::support::coalmine::{Coalmine, refused, run};
use crate::support::process::Exit;
use crate::support::{Backend, Config, Connection, Latch, Script, Service, Steady, eventually, for_a_while, metrics};

#[test]
fn a_stop_lets_running_requests_finish() {
    for signal in ["TERM", "INT"] {
        let backend = Backend::start("a");
        let latch = Latch::shut();
        backend.on("/slow", Script::new().hold(&latch).send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow"));
        let mut coalmine = Config::of(&[&backend], &[]).start();
        let mut running = coalmine.connect();
        running.send(request("GET", "/slow", &[]));
        eventually("the request arrived", || backend.count() == 1);
        coalmine.process.signal(signal);
        eventually("it says that it stops", || coalmine.ask("GET", "/readyz").status() == 503);
        eventually("nobody new gets in", || Connection::try_open(coalmine.http).is_err());
        assert!(!coalmine.process.has_ended());
        latch.open();
        assert_eq!(running.receive().text(), "slow");
        assert_eq!(coalmine.process.wait().code, Some(0), "{signal}");
    }
}

#[test]
fn a_stop_waits_for_no_idle_connection() {
    let backend = Backend::start("a");
    let mut coalmine = Config::of(&[&backend], &[]).start();
    let (mut used, _unused) = (coalmine.connect(), coalmine.connect());
    assert_eq!(used.get("/").text(), "a");
    coalmine.process.signal("TERM");
    assert_eq!(coalmine.process.wait().code, Some(0));
    assert_eq!(used.receive_to_end().unwrap(), b"");
}

#[test]
fn a_lame_duck_serves_on_and_loses_no_request() {
    let backend = Backend::start("a");
    let mut coalmine = Config::of(&[&backend], &[]).listen("lame_duck = \"60s\"").start();
    let steady = Steady::start(coalmine.http, 4);
    eventually("requests go on", || steady.begun() > 50);
    let (mut idle, mut unused) = (coalmine.connect(), coalmine.connect());
    assert_eq!(idle.get("/").head.get("connection"), None);
    coalmine.process.signal("TERM");
    eventually("it says that it stops", || coalmine.ask("GET", "/readyz").status() == 503);
    for connection in [&mut idle, &mut unused, &mut coalmine.connect()] {
        let last = connection.get("/");
        assert_eq!((last.text().as_str(), last.head.get("connection").as_deref()), ("a", Some("close")));
    }
    steady.stop();
    assert!(!coalmine.process.has_ended());
    coalmine.process.signal("TERM");
    assert_eq!(coalmine.process.wait().code, Some(0), "a second signal ends it at once");
}

#[test]
fn who_waits_to_be_accepted_at_a_stop_is_served() {
    let backend = Backend::start("a");
    let mut coalmine = Config::of(&[&backend], &[]).start();
    coalmine.process.signal("STOP");
    let mut waiting: Vec<_> = (0..20).map(|_| coalmine.connect()).collect();
    waiting.iter_mut().for_each(|connection| connection.send(request("GET", "/", &[])));
    coalmine.process.signal("TERM");
    coalmine.process.signal("CONT");
    for mut connection in waiting {
        assert_eq!(connection.receive().text(), "a");
    }
    assert_eq!(coalmine.process.wait().code, Some(0));
}

#[test]
fn a_stop_waits_for_no_half_request_to_the_admin_listener() {
    let backend = Backend::start("a");
    let mut coalmine = Config::of(&[&backend], &[]).start();
    let mut half = Connection::open(coalmine.admin);
    half.send("GET /healthz HTTP/1.1\r\n");
    for_a_while(Duration::from_millis(50));
    coalmine.process.signal("TERM");
    assert_eq!(coalmine.process.wait().code, Some(0));
}

#[test]
fn a_stop_waits_no_longer_than_drain_says() {
    let backend = Backend::start("a");
    backend.on("/never", Script::new().await_end());
    let mut coalmine = Config::of(&[&backend], &[]).listen("drain = \"300ms\"").start();
    let mut running = coalmine.connect();
    running.send(request("GET", "/never", &[]));
    eventually("the request arrived", || backend.count() == 1);
    coalmine.process.signal("TERM");
    assert_eq!(coalmine.process.wait().code, Some(0));
}

#[test]
fn a_port_that_is_taken_is_one_line_and_exit_2() {
    let backend = Backend::start("a");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = || Config::of(&[&backend], &[]);
    assert_one_line(&refused(&config().listen(&format!("http = [\"127.0.0.1:0\", \"{address}\"]"))), &address);
    assert_one_line(&refused(&config().admin(&format!("listen = \"{address}\""))), &address);
    assert_one_line(&refused(&config().admin(&format!("metrics_listen = \"{address}\""))), &address);
    assert_eq!(backend.connections(), 0, "nothing is half-started");
}

#[test]
fn a_port_that_another_coalmine_holds_is_taken_as_well() {
    let backend = Backend::start("a");
    let first = Config::of(&[&backend], &[]).start();
    let address = first.http.to_string();
    assert_one_line(&refused(&Config::of(&[&backend], &[]).listen(&format!("http = [\"{address}\"]"))), &address);
    let admin = first.admin.to_string();
    assert_one_line(&refused(&Config::of(&[&backend], &[]).admin(&format!("listen = \"{admin}\""))), &admin);
    assert_eq!(first.get("/").text(), "a");
}

#[test]
fn a_missing_file_is_one_line_and_exit_2() {
    assert_one_line(&run(&["serve", "-c", "/nonexistent/coalmine.toml"]), "/nonexistent/coalmine.toml");
    let backend = Backend::start("a");
    let config = || Config::of(&[&backend], &[]);
    assert_one_line(&refused(&config().admin("token_file = \"/nonexistent/token\"")), "/nonexistent/token");
    let redis = config().redis("url = \"redis://127.0.0.1:1/0\"").redis("password_file = \"/nonexistent/secret\"");
    assert_one_line(&refused(&redis), "/nonexistent/secret");
}

#[test]
fn an_address_that_does_not_parse_is_one_line_and_exit_2() {
    let backend = Backend::start("a");
    let config = || Config::of(&[&backend], &[]);
    for (exit, mistake) in [
        (refused(&config().listen("http = [\"nonsense\"]")), "nonsense"),
        (refused(&config().admin("listen = \"127.0.0.1:99999\"")), "127.0.0.1:99999"),
        (refused(&config().redis("url = \"http://127.0.0.1\"")), "http://127.0.0.1"),
        (refused(&Config::new().service(Service::new("web").track("stable", 1, &["web1"]))), "web1"),
    ] {
        assert_one_line(&exit, mistake);
    }
}

#[test]
fn running_out_of_files_is_survived_counted_and_costs_no_cpu() {
    let backend = Backend::start("a");
    let config = Config::of(&[&backend], &[]).listen("workers = 1");
    let coalmine = Coalmine::start_with_files(&config, 64);
    coalmine.wait_ready();
    // Opened while there is room: nobody is let in later.
    let mut admin = Connection::open(coalmine.admin);
    let mut accept_errors =
        || metrics::sum(&admin.get("/metrics").text(), "coalmine_accept_errors_total", &[]).unwrap();
    assert!(accept_errors() < 1.0);
    let crowd: Vec<_> = (0..100).map(|_| coalmine.connect()).collect();
    eventually("the errors are counted", || accept_errors() >= 1.0);
    let before = cpu_ticks(coalmine.process.pid());
    for_a_while(Duration::from_millis(1000));
    let ticks = cpu_ticks(coalmine.process.pid()) - before;
    assert!(ticks < 50, "{ticks} hundredths of a second of CPU in one second");
    drop(crowd);
    assert_eq!(get(coalmine.http, "/").text(), "a");
}

#[test]
fn as_many_files_may_be_open_as_the_system_allows() {
    let backend = Backend::start("a");
    let coalmine = Coalmine::start_with_files(&Config::of(&[&backend], &[]), "64:1000");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", coalmine.process.pid())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("1000"), "{files}");
}

#[test]
fn a_head_that_does_not_end_is_cut_off_after_the_header_timeout() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).listen("header_timeout = \"300ms\"").start();
    let mut connection = coalmine.connect();
    connection.send("GET / HTTP/1.1\r\nHost: te");
    let end = String::from_utf8(connection.receive_to_end().unwrap()).unwrap();
    assert!(end.is_empty() || end.starts_with("HTTP/1.1 408"), "{end}");
}

#[test]
fn a_connection_without_a_request_is_closed_after_the_idle_timeout() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).listen("idle_timeout = \"300ms\"").start();
    let mut connection = coalmine.connect();
    assert_eq!(connection.get("/").text(), "a");
    assert_eq!(connection.receive_to_end().unwrap(), b"");
}

#[track_caller]
fn assert_one_line(exit: &Exit, names: &str) {
    assert_eq!(exit.code, Some(2), "{exit:?}");
    let lines: Vec<_> = exit.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    assert!(lines.len() == 1 && lines[0].contains(names), "{exit:?}");
}

/// CPU time of a process so far, in hundredths of a second.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = after_name.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
