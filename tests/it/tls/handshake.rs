//! Names, versions, tickets, and what is no handshake.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;

use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, NamedGroup};

use super::{Client, Stage};
use crate::support::clients::Tool;
use crate::support::eventually::DEADLINE;
use crate::support::{Connection, eventually};

#[test]
fn the_name_that_is_asked_for_chooses_the_certificate() {
    let stage = Stage::start(&[&["first.test"], &["*.example.org"], &["www.example.org"]]);
    let client = stage.client();
    for name in ["first.test", "www.example.org", "a.example.org"] {
        let mut secure = client.connect(name);
        assert_eq!(secure.get("/").text, "a");
    }
    let [exact, wildcard] = ["www.example.org", "a.example.org"].map(|name| client.connect(name).leaf());
    assert_ne!(exact, wildcard);
    let other = client.try_connect("a.b.example.org").map(|_| ()).unwrap_err();
    assert!(other.to_string().contains("first.test"), "the default is shown, and is not for it: {other}");
    let mut nameless = stage.client();
    nameless.config.enable_sni = false;
    nameless.connect("first.test");
    // A client may be through before the balancer is.
    eventually("all are counted", || stage.handshakes("full") + stage.handshakes("resumed") == 6.0);
    eventually("the one that the client refused has failed", || stage.handshakes("failed") == 1.0);
}

#[test]
fn both_versions_are_spoken_and_tickets_bring_clients_back() {
    let stage = Stage::start(&[&["a.test"]]);
    for version in [&TLS12, &TLS13] {
        let client = Client::with_versions(&stage.authority, stage.address(), &[version]);
        let mut first = client.connect("a.test");
        assert_eq!(first.get("/").text, "a");
        assert_eq!(first.session().protocol_version(), Some(version.version));
        let mut second = client.connect("a.test");
        assert_eq!(second.session().handshake_kind(), Some(HandshakeKind::Resumed));
        assert_eq!(second.get("/").text, "a");
    }
    assert_eq!((stage.handshakes("full"), stage.handshakes("resumed")), (2.0, 2.0));
}

#[test]
fn clients_that_come_all_at_once_have_their_turns() {
    const CLIENTS: usize = 40;
    let stage = Stage::start(&[&["a.test"]]);
    let client = stage.client();
    let ready = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        for n in 0..CLIENTS {
            let (ready, client, address) = (&ready, &client, stage.address());
            scope.spawn(move || {
                ready.wait();
                match n % 2 {
                    0 => assert_eq!(client.connect("a.test").get("/").text, "a"),
                    // Who leaves before, or while, its turn has come takes nobody's.
                    _ => drop(TcpStream::connect(address).unwrap()),
                }
            });
        }
    });
    let full_or_resumed = || stage.handshakes("full") + stage.handshakes("resumed");
    eventually("all are counted", || full_or_resumed() == (CLIENTS / 2) as f64);
    assert_eq!(stage.handshakes("failed"), 0.0);
}

#[test]
fn a_key_exchange_that_lasts_is_preferred() {
    let stage = Stage::start(&[&["a.test"]]);
    let secure = stage.client().connect("a.test");
    let group = secure.session().negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
}

#[test]
fn what_is_no_handshake_is_closed_and_counted() {
    let stage = Stage::start(&[&["a.test"]]);
    let refused = || stage.coalmine.metric("coalmine_refused_total", &[("reason", "handshake")]);
    for (n, garbage) in
        ["GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "\0\0\0\0\0\0", "\u{16}\u{3}\u{1}\u{7f}\u{7f}zzz"].iter().enumerate()
    {
        let mut tcp = TcpStream::connect(stage.address()).unwrap();
        tcp.set_read_timeout(Some(DEADLINE)).unwrap();
        tcp.write_all(garbage.as_bytes()).unwrap();
        tcp.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // It may be reset, for what was not read.
        let _ = tcp.read_to_end(&mut answer);
        assert!(answer.len() < 16, "an alert at most: {answer:?}");
        eventually("it is counted", || refused() == (n + 1) as f64 && stage.handshakes("failed") == refused());
    }
    assert_eq!(stage.client().connect("a.test").get("/").text, "a");
    assert_eq!(stage.backend.count(), 1);
}

#[test]
fn who_only_looks_whether_somebody_listens_has_not_failed() {
    let stage = Stage::start(&[&["a.test"]]);
    let open = || stage.coalmine.metric("coalmine_client_connections", &[]);
    let mut tcp = Connection::open(stage.address());
    eventually("it is there", || open() == 1.0);
    tcp.finish();
    assert_eq!(tcp.receive_to_end().unwrap(), b"");
    eventually("it has gone", || open() == 0.0);
    assert_eq!(stage.handshakes("failed") + stage.handshakes("timeout"), 0.0);
}

#[test]
fn a_slow_handshake_is_closed() {
    let stage = Stage::start_with(&[&["a.test"]], |config| config.listen("handshake_timeout = \"200ms\""));
    let mut silent = Connection::open(stage.address());
    let mut halting = Connection::open(stage.address());
    halting.send([0x16, 3, 1]);
    for slow in [&mut silent, &mut halting] {
        assert_eq!(slow.receive_to_end().unwrap_or_default(), b"");
    }
    eventually("both are counted", || stage.handshakes("timeout") == 2.0);
}

#[test]
fn a_stop_waits_for_no_handshake_that_stands_still() {
    let mut stage = Stage::start_with(&[&["a.test"]], |config| config.listen("handshake_timeout = \"1h\""));
    let mut silent = Connection::open(stage.address());
    eventually("it is there", || stage.coalmine.metric("coalmine_client_connections", &[]) == 1.0);
    stage.coalmine.process.signal("TERM");
    assert_eq!(silent.receive_to_end().unwrap_or_default(), b"");
    stage.coalmine.process.wait();
}

#[test]
fn old_versions_are_refused() {
    let stage = Stage::start(&[&["a.test"]]);
    let connect = |version: &str| {
        let address = stage.address().to_string();
        let arguments = ["s_client", "-connect", &address, "-servername", "a.test", version];
        Tool::openssl().args(arguments).args(["-cipher", "DEFAULT:@SECLEVEL=0"]).run()
    };
    for version in ["-tls1", "-tls1_1"] {
        let exit = connect(version);
        assert!(exit.code != Some(0) && exit.stdout.contains("Cipher is (NONE)"), "{exit:?}");
    }
    let exit = connect("-tls1_2");
    assert!(exit.stdout.contains("Protocol  : TLSv1.2") || exit.stdout.contains("TLSv1.2, Cipher is"), "{exit:?}");
    eventually("they are counted", || stage.handshakes("failed") == 2.0 && stage.handshakes("full") == 1.0);
}

#[test]
fn every_protocol_of_http_is_agreed_on_by_alpn() {
    let stage = Stage::start(&[&["a.test"]]);
    let port = stage.address().port();
    let ask = |flag: &str| {
        let resolve = format!("a.test:{port}:127.0.0.1");
        let url = format!("https://a.test:{port}/");
        let tool = Tool::curl().arg("--cacert").arg(&stage.authority.file).args(["--resolve", &resolve, flag]);
        tool.args(["--write-out", " %{http_version}", &url]).output()
    };
    assert_eq!((ask("--http1.1"), ask("--http2")), ("a 1.1".to_owned(), "a 2".to_owned()));
}

#[test]
fn http2_is_not_offered_where_it_is_not_spoken() {
    let stage = Stage::start_with(&[&["a.test"]], |config| config.listen("http2 = false"));
    let mut client = stage.client();
    client.config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut secure = client.connect("a.test");
    assert_eq!(secure.session().alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(secure.get("/").text, "a");
}
