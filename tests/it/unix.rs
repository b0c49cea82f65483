//! Backends behind unix sockets.

use crate::support::door::unix;
use crate::support::{Backend, Config, Connection, Service, eventually};

#[test]
fn a_unix_socket_is_a_backend_like_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let backend = Backend::start("a");
    let _door = unix(&path, backend.address);
    let id = format!("unix:{}", path.display());
    let web = Service::new("web").key("served_by_header = true").key("affinity = \"backend\"");
    let coalmine = Config::new().service(web.track("stable", 1, &[&id]).probe("timeout = \"5s\"")).start();
    coalmine.wait_backend("web", "stable", &id, "up");

    let answer = coalmine.get("/x");
    assert_eq!((answer.status(), answer.text().as_str()), (200, "a"));
    assert_eq!(answer.head.get("x-served-by").unwrap(), format!("stable/{id}"));
    assert!(answer.head.get("set-cookie").is_some());
    assert!(coalmine.metric("coalmine_requests_total", &[("backend", &id)]) >= 1.0);
    assert_eq!(coalmine.backend("web", "stable", &id)["address"], id.as_str());
    assert_eq!(backend.probes()[0].get("host").unwrap(), "localhost");

    let mut old = Connection::open(coalmine.http);
    old.send("GET /old HTTP/1.0\r\n\r\n");
    assert_eq!(old.receive().status(), 200);
    assert_eq!(backend.requests().last().unwrap().head.get("host").unwrap(), "localhost");
}

#[test]
fn one_is_named_in_a_path_of_the_api_with_its_slashes_encoded() {
    let directory = tempfile::tempdir().unwrap();
    let backends = ["a", "b"].map(Backend::start);
    let paths = ["a.sock", "b.sock"].map(|name| directory.path().join(name));
    let _doors = [0, 1].map(|n| unix(&paths[n], backends[n].address));
    let ids = [0, 1].map(|n| format!("unix:{}", paths[n].display()));
    let web = Service::new("web").track("stable", 1, &ids).probe("timeout = \"5s\"");
    let coalmine = Config::new().service(web).start();
    let path = |deed: &str| format!("/api/v1/services/web/backends/{}/{deed}", ids[0].replace('/', "%2F"));
    assert_eq!(coalmine.ask("POST", &path("drain")).status(), 200);
    eventually("it drains", || coalmine.backend("web", "stable", &ids[0])["draining"] == true);
    for _ in 0..4 {
        assert_eq!(coalmine.get("/").text(), "b");
    }
    assert_eq!(coalmine.ask("POST", &path("undrain")).status(), 200);
    eventually("it is back", || coalmine.get("/").text() == "a");
}

#[test]
fn a_path_where_nobody_listens_is_a_bad_gateway() {
    let web = Service::new("web").track("stable", 1, &["unix:/nowhere/app.sock"]).probe("interval = \"1h\"");
    let coalmine = Config::new().service(web.probe("fall = 1000")).start();
    assert_eq!(coalmine.get("/").status(), 502);
}
