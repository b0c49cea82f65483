//! What a request may look like: everything else is refused before a backend sees it, and counted.

use crate::support::client::{Broken, request};
use crate::support::coalmine::Coalmine;
use crate::support::{Backend, Config, Connection, Script, Service, eventually};

/// `admin` for what is below `/admin`, `web` for the rest.
fn two_services() -> (Backend, Backend, Coalmine) {
    let (web, admin) = (Backend::start("web"), Backend::start("admin"));
    let below = Service::of("admin", &[&admin], &[]).key("path_prefix = \"/admin\"");
    let coalmine = Config::new().service(Service::of("web", &[&web], &[])).service(below).start();
    (web, admin, coalmine)
}

#[test]
fn a_path_that_may_be_read_as_one_of_another_service_is_refused() {
    let (web, admin, coalmine) = two_services();
    let mut connection = coalmine.connect();
    let mut sent = 0.0;
    for target in [
        "/x/../admin",
        "/x/..//admin/y",
        "/%61dmin/x",
        "//admin",
        "/./admin",
        "/x/..%2fadmin",
        "/x/%2e%2E/admin",
        "/x%5c..%5cadmin",
        "/.;/admin",
        "/x/..;v=1/admin",
        "/admin;v=1/x",
        "/admin/../x",
        "/admin/..",
    ] {
        let response = connection.get(target);
        assert_eq!((response.status(), response.text().as_str()), (400, "400 bad request: path\n"), "{target}");
        sent += 1.0;
        assert_eq!(coalmine.refused("path"), sent, "{target}");
    }
    assert_eq!((web.count(), admin.count()), (0, 0));
    assert_eq!(connection.get("/admin").text(), "admin", "the connection serves on");
}

#[test]
fn a_path_that_means_the_same_service_passes_byte_for_byte() {
    let (web, admin, coalmine) = two_services();
    for target in [
        "/a//b/../c%2Fd;x?y=/../admin",
        "/.well-known/x",
        "/%7Euser/",
        "/100%",
        "/a/admin",
        "/admin%2F..%2Fx",
        "/x;/admin2",
    ] {
        assert_eq!(coalmine.get(target).text(), "web", "{target}");
        assert_eq!(web.requests().last().unwrap().head.word(1), target);
    }
    for target in ["/admin//x", "/admin/a/../b%20c", "/admin/%61"] {
        assert_eq!(coalmine.get(target).text(), "admin", "{target}");
        assert_eq!(admin.requests().last().unwrap().head.word(1), target);
    }
    assert_eq!(coalmine.refused("path"), 0.0);
}

#[test]
fn nul_and_what_leads_above_the_root_is_refused() {
    let (web, admin, coalmine) = two_services();
    for target in ["/%00", "/a%00.html", "/..", "/a/../../b", "/%2e%2e%2fetc/passwd"] {
        assert_eq!(coalmine.get(target).status(), 400, "{target}");
    }
    assert_eq!((coalmine.refused("path"), web.count(), admin.count()), (5.0, 0, 0));
}

#[test]
fn trace_and_connect_are_refused() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    for (method, target) in [("TRACE", "/"), ("CONNECT", "test:80")] {
        let response = coalmine.connect().request(method, target, &[]);
        assert_eq!((response.status(), response.text().as_str()), (405, "405 method not allowed\n"));
        assert!(response.head.get("allow").is_some_and(|allow| allow.contains("GET") && !allow.contains(method)));
    }
    assert_eq!((coalmine.refused("method"), backend.count()), (2.0, 0));
}

#[test]
fn a_target_with_userinfo_is_refused() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    for target in ["http://user@test/", "http://user:secret@test/", "http://test:80@evil/"] {
        assert_eq!(coalmine.get(target).status(), 400, "{target}");
    }
    assert_eq!((coalmine.refused("host"), backend.count()), (3.0, 0));
    assert_eq!(coalmine.get("http://test/").text(), "a");
}

#[test]
fn what_is_larger_than_the_limits_is_refused_by_its_kind() {
    let backend = Backend::start("a");
    let limits = "headers = 10\nheader_bytes = 2000\nrequest_line = 300";
    let coalmine = Config::of(&[&backend], &[]).limits(limits).start();
    let fields = |number: usize| (0..number).map(|n| format!("X-{n}: 1")).collect::<Vec<_>>();
    let of = |number| -> String {
        let fields = fields(number);
        request("GET", "/", &fields.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let long = |length: usize| request("GET", &format!("/{}", "x".repeat(length)), &[]);
    let large = |length: usize| request("GET", "/", &[&format!("X-Large: {}", "x".repeat(length))]);
    // Host is one of them.
    assert_eq!(sent(&coalmine, of(9)), 200);
    assert_eq!(sent(&coalmine, of(10)), 431);
    assert_eq!(sent(&coalmine, large(1900)), 200);
    assert_eq!(sent(&coalmine, large(2000)), 431);
    assert_eq!(sent(&coalmine, large(3000)), 431);
    assert_eq!(sent(&coalmine, long(280)), 200);
    assert_eq!(sent(&coalmine, long(300)), 414);
    assert_eq!((coalmine.refused("headers"), coalmine.refused("request_line"), backend.count()), (3.0, 1.0, 3));
}

#[test]
fn the_limits_of_a_head_are_generous_by_default() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let fields: Vec<_> = (0..99).map(|n| format!("X-{n}: {}", "x".repeat(600))).collect();
    let fields: Vec<_> = fields.iter().map(String::as_str).collect();
    assert_eq!(sent(&coalmine, request("GET", "/", &fields)), 200);
    let more = [&fields[..], &["X-More: 1"]].concat();
    assert_eq!(sent(&coalmine, request("GET", "/", &more)), 431);
    assert_eq!(sent(&coalmine, request("GET", &format!("/{}", "x".repeat(8000)), &[])), 200);
    assert_eq!(sent(&coalmine, request("GET", &format!("/{}", "x".repeat(9000)), &[])), 414);
}

#[test]
fn a_head_that_does_not_end_is_refused_and_one_that_comes_in_pieces_is_not() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).limits("header_bytes = 20000").start();
    let mut slow = coalmine.connect();
    slow.send("GET / HTTP/1.1\r\nHost: te");
    // The other connection's answer shows that the first piece was looked at.
    assert_eq!(coalmine.get("/").text(), "a");
    slow.send("st\r\n");
    slow.send(format!("X: {}\r\n", "x".repeat(15_000)));
    assert_eq!(coalmine.get("/").text(), "a");
    slow.send("\r\nGET / HT");
    assert_eq!(slow.receive().text(), "a");
    slow.send("TP/1.1\r\n");
    assert_eq!(coalmine.get("/").text(), "a");
    // One byte more than may wait: nothing is left unread, over which the answer could be lost.
    slow.send(format!("X: {}", "x".repeat(8192 + 20_000 + 1 - "TP/1.1\r\nX: ".len())));
    let response = slow.receive();
    assert_eq!((response.status(), response.text().as_str()), (431, "431 request header fields too large\n"));
    assert_eq!((coalmine.refused("headers"), backend.count()), (1.0, 4));
}

#[test]
fn a_body_that_says_it_is_too_large_reaches_no_backend() {
    let backend = Backend::start("a");
    let coalmine = limited(&backend);
    assert_eq!(sent(&coalmine, request("POST", "/", &["Content-Length: 10"]) + "0123456789"), 200);
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/", &["Content-Length: 11"]) + "01234567890");
    assert_too_large(&mut connection);
    let mut patient = coalmine.connect();
    patient.send(request("POST", "/", &["Content-Length: 1000000", "Expect: 100-continue"]));
    assert_too_large(&mut patient);
    assert_eq!((coalmine.refused("body"), backend.count()), (2.0, 1));
}

#[test]
fn a_client_that_goes_on_sending_still_gets_its_answer() {
    let backend = Backend::start("a");
    let coalmine = limited(&backend);
    for _ in 0..20 {
        let mut connection = coalmine.connect();
        connection.send(request("POST", "/", &["Content-Length: 3000000"]));
        // More than the socket buffers hold: it is taken for as long as the client is not through.
        for _ in 0..30 {
            if connection.try_send(vec![b'x'; 100_000]).is_err() {
                break;
            }
        }
        assert_too_large(&mut connection);
    }
}

#[test]
fn a_body_that_grows_too_large_is_broken_off() {
    let backend = Backend::start("a");
    let coalmine = limited(&backend);
    let chunked = |chunks: &str| request("POST", "/", &["Transfer-Encoding: chunked"]) + chunks;
    assert_eq!(sent(&coalmine, chunked("5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n")), 200);
    let mut connection = coalmine.connect();
    connection.send(chunked("5\r\n01234\r\n6\r\n567890\r\n"));
    assert_too_large(&mut connection);
    assert_eq!(coalmine.refused("body"), 1.0);
    assert!(backend.requests().iter().skip(1).all(|request| request.body.bytes.is_empty()), "none was whole");
    assert_eq!(coalmine.metric("coalmine_backend_failures_total", &[]), 0.0, "it is not the backend's fault");
    assert_eq!(coalmine.metric("coalmine_requests_total", &[("class", "4xx")]), 1.0);
    assert_eq!(coalmine.get("/").text(), "a");
}

#[test]
fn a_body_that_grows_too_large_after_its_answer_began_ends_both() {
    let backend = Backend::start("a");
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";
    backend.on("/early", Script::new().send(head).read_body().send("0\r\n\r\n"));
    let coalmine = limited(&backend);
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/early", &["Transfer-Encoding: chunked"]) + "5\r\n01234\r\n");
    assert_eq!(connection.receive_head().status(), 200);
    connection.send("6\r\n567890\r\n");
    assert!(matches!(connection.try_receive(), Err(Broken::NoHead | Broken::Failed(_))), "no end of the body");
    eventually("it is counted", || coalmine.refused("body") == 1.0);
}

#[test]
fn nobody_passes_a_field_of_ours_under_another_name() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).listen("trusted_proxies = [\"127.0.0.0/8\"]").start();
    let fields = ["X_Forwarded_For: 6.6.6.6", "X-Forwarded_Proto: https", "X_Real_IP: 6.6.6.6", "X_Other: 1"];
    coalmine.connect().request("GET", "/", &fields);
    let head = &backend.requests()[0].head;
    let names: Vec<_> = head.fields.iter().map(|(name, _)| name.to_lowercase()).filter(|it| it.contains('_')).collect();
    assert_eq!(names, ["x_other"]);
}

#[test]
fn what_is_no_http_is_counted() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    for bytes in ["GET / HTTP/1.1\r\nHost: a\r\nno colon here\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n\r\n"] {
        assert_eq!(sent(&coalmine, bytes.to_owned()), 400, "{bytes}");
    }
    eventually("both are counted", || coalmine.refused("framing") == 2.0);
    assert_eq!(backend.count(), 0);
}

/// A balancer before one backend, which takes bodies of 10 bytes.
fn limited(backend: &Backend) -> Coalmine {
    Config::new().service(Service::of("web", &[backend], &[]).table("limits", "body = 10")).start()
}

fn sent(coalmine: &Coalmine, bytes: String) -> u16 {
    let mut connection = coalmine.connect();
    connection.send(bytes);
    connection.receive().status()
}

#[track_caller]
fn assert_too_large(connection: &mut Connection) {
    let response = connection.receive();
    assert_eq!((response.status(), response.text().as_str()), (413, "413 content too large\n"));
    assert_eq!(response.head.get("connection").as_deref(), Some("close"));
    assert_eq!(response.interim, [0; 0]);
    // A client that was slow to take it may see a reset then.
    assert!(connection.receive_to_end().is_ok_and(|rest| rest.is_empty()) || connection.has_ended(), "then the end");
}
