//! Requests over time: each client and each service has its share, and is told when it is used up.

use std::net::IpAddr;

use crate::support::client::Response;
use crate::support::{Backend, Config, Connection, Service, eventually};

#[test]
fn a_client_that_asks_too_often_is_told_when_it_may_again() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).limits("rate = { requests = 1, burst = 3 }").start();
    let mut connection = coalmine.connect();
    let (served, refused) = until_refused(|| connection.get("/"));
    assert!(served >= 3, "{served}");
    assert_too_many(&refused);
    assert_eq!((coalmine.refused("client_rate"), backend.count()), (1.0, served));
    let other: IpAddr = "127.0.0.2".parse().unwrap();
    assert_eq!(Connection::open_from(other, coalmine.http).get("/").text(), "a", "others have their own");
    eventually("there is a token again", || connection.get("/").status() == 200);
}

#[test]
fn behind_a_trusted_proxy_each_client_that_it_names_has_its_own() {
    let backend = Backend::start("a");
    let config = Config::of(&[&backend], &[]).listen("trusted_proxies = [\"127.0.0.0/8\"]");
    let coalmine = config.limits("rate = { requests = 1, burst = 1 }").start();
    let mut proxy = coalmine.connect();
    let mut get = |client: &str| proxy.request("GET", "/", &[&format!("X-Forwarded-For: {client}")]);
    until_refused(|| get("192.0.2.1"));
    assert_eq!(get("192.0.2.2").status(), 200);
    until_refused(|| get("2001:db8::1"));
    assert_eq!(get("2001:db8:0:1::1").status(), 200, "another network");
    let (_, refused) = until_refused(|| get("2001:db8::2"));
    assert_too_many(&refused);
}

#[test]
fn a_service_has_its_own_rate_which_a_reload_changes() {
    let backend = Backend::start("a");
    let service = |name: &str, limits: &str| {
        let prefix = format!("path_prefix = \"/{name}\"");
        Service::of(name, &[&backend], &[]).key(&prefix).table("limits", limits)
    };
    let config = |limits: &str| Config::new().service(service("shop", limits)).service(service("blog", ""));
    let coalmine = config("rate = { requests = 1, burst = 2 }").start();
    let (served, refused) = until_refused(|| coalmine.get("/shop"));
    assert!(served >= 2, "{served}");
    assert_too_many(&refused);
    assert_eq!(coalmine.refused("service_rate"), 1.0);
    for _ in 0..10 {
        assert_eq!(coalmine.get("/blog").status(), 200);
    }
    coalmine.rewrite(&config("").text());
    assert_eq!(coalmine.ask("POST", "/api/v1/reload").status(), 200);
    eventually("the table is in force", || coalmine.get("/shop").status() == 200);
    for _ in 0..50 {
        assert_eq!(coalmine.get("/shop").status(), 200, "no limit any more");
    }
}

/// Asks until it is too much; gives how often it was not.
#[track_caller]
fn until_refused(mut get: impl FnMut() -> Response) -> (usize, Response) {
    for served in 0..1000 {
        let response = get();
        if response.status() != 200 {
            return (served, response);
        }
    }
    panic!("never refused")
}

#[track_caller]
fn assert_too_many(response: &Response) {
    assert_eq!((response.status(), response.text().as_str()), (429, "429 too many requests\n"));
    assert_eq!(response.head.get("retry-after").as_deref(), Some("1"));
    assert_eq!(response.head.get("connection"), None, "the connection is kept");
}
