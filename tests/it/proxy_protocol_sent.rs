//! The PROXY protocol, sent to backends.

use std::net::SocketAddr;

use ppp::v2;

use crate::support::door::Seen;
use crate::support::{Backend, Config, Door, H2Backend, Service, eventually};

const UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";

fn before(address: SocketAddr, lines: &str) -> Config {
    let web = Service::new("web").table("stable", &format!("backends = [\"{address}\"]\n{lines}"));
    Config::new().listen("workers = 1").service(web.probe("timeout = \"5s\"").probe("interval = \"1h\""))
}

fn headers(door: &Door) -> Vec<Vec<u8>> {
    let header = |seen| if let Seen::Header(header) = seen { header } else { panic!("{seen:?}") };
    door.seen().into_iter().map(header).collect()
}

#[test]
fn each_connection_names_its_client_in_version_1_and_serves_no_other() {
    let backend = Backend::start("a");
    let door = Door::proxied(backend.address);
    let coalmine = before(door.address, "proxy_protocol = \"v1\"").start();
    let mut clients = [coalmine.connect(), coalmine.connect()];
    for _ in 0..3 {
        for client in &mut clients {
            assert_eq!(client.get("/").status(), 200);
        }
    }
    let clients = clients.map(|client| client.local_address());
    let expected =
        clients.map(|at| format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", at.port(), coalmine.http.port()));
    let mut seen: Vec<_> = headers(&door).into_iter().filter(|header| header != UNKNOWN).collect();
    seen.sort();
    let mut expected = expected.map(String::into_bytes);
    expected.sort();
    assert_eq!(seen, expected, "one for each client, that goes on");
    eventually("a probe is nobody's", || headers(&door).iter().any(|header| header == UNKNOWN));
}

#[test]
fn connections_of_clients_that_have_gone_are_few_and_in_nobodys_way() {
    let (plain, h2) = (Backend::start("a"), H2Backend::start());
    for (address, more) in [(plain.address, ""), (h2.address, "h2 = true")] {
        let door = Door::proxied(address);
        let lines = format!("proxy_protocol = \"v1\"\n{more}\n[service.pool]\nmax_idle = 2");
        let coalmine = before(door.address, &lines).start();
        for _ in 0..6 {
            assert_eq!(coalmine.get("/").status(), 200);
        }
        let open = || coalmine.metric("coalmine_backend_connections", &[]);
        eventually("few are open", || open() <= 2.0);
        let mut client = coalmine.connect();
        for _ in 0..3 {
            assert_eq!(client.get("/").status(), 200);
        }
        let port = format!(" {} ", client.local_address().port());
        let of_client = |header: &Vec<u8>| String::from_utf8_lossy(header).contains(&port);
        assert_eq!(headers(&door).iter().filter(|header| of_client(header)).count(), 1, "{more}");
    }
}

#[test]
fn each_connection_names_its_client_in_version_2() {
    let backend = H2Backend::start();
    let door = Door::proxied(backend.address);
    let coalmine = before(door.address, "proxy_protocol = \"v2\"\nh2 = true").start();
    let mut clients = [coalmine.connect(), coalmine.connect()];
    for _ in 0..2 {
        for client in &mut clients {
            assert_eq!(client.get("/").status(), 200);
        }
    }
    let commands = || -> Vec<_> {
        let read = |header: &Vec<u8>| {
            let header = v2::Header::try_from(&header[..]).unwrap();
            (header.command == v2::Command::Proxy).then_some(header.addresses)
        };
        headers(&door).iter().map(read).collect()
    };
    for client in clients {
        let addresses = v2::Addresses::from((client.local_address(), coalmine.http));
        assert_eq!(commands().iter().filter(|seen| **seen == Some(addresses)).count(), 1);
    }
    eventually("a probe is the balancer's own", || commands().contains(&None));
}
