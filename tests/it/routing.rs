//! Which service a request belongs to.

use crate::support::client::{Response, get};
use crate::support::coalmine::Coalmine;
use crate::support::{Backend, Config, Service};

#[test]
fn an_exact_host_comes_before_a_wildcard_before_any() {
    let fleet = Fleet::start(&[
        ("any", "", "/"),
        ("wild", "*.example.org", "/"),
        ("deep", "*.api.example.org", "/"),
        ("exact", "www.example.org", "/"),
    ]);
    assert_eq!(fleet.asked("www.example.org", "/"), "exact");
    assert_eq!(fleet.asked("shop.example.org", "/"), "wild");
    assert_eq!(fleet.asked("a.b.example.org", "/"), "wild");
    assert_eq!(fleet.asked("v1.api.example.org", "/"), "deep");
    assert_eq!(fleet.asked("example.org", "/"), "any");
    assert_eq!(fleet.asked("notexample.org", "/"), "any");
}

#[test]
fn a_host_is_compared_without_case_and_without_port() {
    let fleet = Fleet::start(&[("any", "", "/"), ("exact", "www.example.org", "/")]);
    assert_eq!(fleet.asked("WWW.Example.ORG", "/"), "exact");
    assert_eq!(fleet.asked("www.example.org:8080", "/"), "exact");
}

#[test]
fn the_longest_prefix_wins_on_segment_boundaries() {
    let fleet = Fleet::start(&[("root", "", "/"), ("api", "", "/api"), ("users", "", "/api/users")]);
    for (path, service) in [
        ("/", "root"),
        ("/apix", "root"),
        ("/api", "api"),
        ("/api?x=/api/users", "api"),
        ("/api/", "api"),
        ("/api/usersx", "api"),
        ("/api/users", "users"),
        ("/api/users/1", "users"),
    ] {
        assert_eq!(fleet.asked("any.example", path), service, "{path}");
    }
}

#[test]
fn the_host_decides_before_the_path_does() {
    let fleet = Fleet::start(&[("any", "", "/api"), ("exact", "www.example.org", "/")]);
    assert_eq!(fleet.asked("www.example.org", "/api/x"), "exact");
    assert_eq!(fleet.asked("other.example.org", "/api/x"), "any");
}

#[test]
fn a_request_that_no_service_matches_gets_404() {
    let fleet = Fleet::start(&[("api", "www.example.org", "/api")]);
    for (host, path) in [("www.example.org", "/"), ("other.example.org", "/api")] {
        let response = fleet.response(host, path);
        assert_eq!(response.status(), 404, "{host}{path}");
        assert!(response.text().contains("no service"), "{}", response.text());
    }
    assert_eq!(fleet.coalmine.metric("coalmine_requests_unrouted_total", &[("status", "404")]), 2.0);
}

#[test]
fn a_service_may_have_several_hosts() {
    let backend = Backend::start("a");
    let service = Service::of("web", &[&backend], &[]).key("hosts = [\"one.example\", \"*.two.example\"]");
    let coalmine = Config::new().service(service).start();
    let status = |host: &str| coalmine.connect().request("GET", "/", &[&format!("Host: {host}")]).status();
    assert_eq!((status("one.example"), status("x.two.example"), status("three.example")), (200, 200, 404));
}

#[test]
fn a_target_in_absolute_form_names_the_host() {
    let fleet = Fleet::start(&[("any", "", "/"), ("exact", "www.example.org", "/")]);
    let response = fleet.coalmine.connect().request("GET", "http://www.example.org/x", &["Host: other.example"]);
    assert_eq!(response.text(), "exact");
}

#[test]
fn a_request_without_exactly_one_host_is_refused() {
    let fleet = Fleet::start(&[("any", "", "/")]);
    for wire in ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"] {
        let mut connection = fleet.coalmine.connect();
        connection.send(wire);
        assert_eq!(connection.receive().status(), 400, "{wire}");
    }
}

#[test]
fn a_backend_may_be_given_by_host_name() {
    let backend = Backend::start("a");
    let address = format!("localhost:{}", backend.address.port());
    let coalmine = Config::new().service(Service::new("web").track("stable", 1, &[&address])).start();
    assert_eq!(get(coalmine.http, "/").text(), "a");
    assert_eq!(coalmine.backend("web", "stable", &address)["address"], address);
}

#[test]
fn a_program_can_listen_on_several_addresses() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).listen("http = [\"127.0.0.1:0\", \"127.0.0.1:0\"]").start();
    let addresses = coalmine.listeners("http");
    assert_eq!(addresses.len(), 2);
    for address in addresses {
        assert_eq!(get(address, "/").text(), "a");
    }
}

/// Services with one backend each, which answers with the service's name.
struct Fleet {
    coalmine: Coalmine,
    _backends: Vec<Backend>,
}

impl Fleet {
    /// Name, host or nothing, path prefix.
    fn start(services: &[(&str, &str, &str)]) -> Self {
        let mut config = Config::new();
        let mut backends = Vec::new();
        for (name, host, prefix) in services {
            let backend = Backend::start(name);
            let service = Service::of(name, &[&backend], &[]).key(&format!("path_prefix = \"{prefix}\""));
            let host = if host.is_empty() { "hosts = []".to_owned() } else { format!("hosts = [\"{host}\"]") };
            config = config.service(service.key(&host));
            backends.push(backend);
        }
        Self { coalmine: config.start(), _backends: backends }
    }

    #[track_caller]
    fn asked(&self, host: &str, path: &str) -> String {
        self.response(host, path).text()
    }

    #[track_caller]
    fn response(&self, host: &str, path: &str) -> Response {
        self.coalmine.connect().request("GET", path, &[&format!("Host: {host}")])
    }
}
