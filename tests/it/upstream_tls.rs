//! TLS to backends: whom they have to be to be trusted, and what we show them.

use std::net::SocketAddr;

use crate::support::certificates::Authority;
use crate::support::coalmine::{Coalmine, run, text};
use crate::support::config::written;
use crate::support::door::Seen;
use crate::support::{Backend, Config, Door, H2Backend, Service, eventually};

/// A backend at `https://localhost` of `address`, with these lines in the table of its track.
fn before(address: SocketAddr, track: &str, tls: &str) -> Config {
    let lines = format!("backends = [{{ address = \"https://localhost:{}\", name = \"a\" }}]", address.port());
    let web = Service::new("web").table("stable", &format!("{lines}\n{track}")).table("stable.tls", tls);
    Config::new().listen("workers = 1").service(web.quick_probes().probe("timeout = \"5s\""))
}

/// An authority, and the line that trusts it.
fn trusted() -> (Authority, String) {
    let authority = Authority::new();
    let line = format!("ca_file = \"{}\"", authority.file.display());
    (authority, line)
}

fn down(coalmine: &Coalmine) -> String {
    coalmine.wait_backend("web", "stable", "a", "down");
    coalmine.backend("web", "stable", "a")["reason"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_backend_with_a_good_certificate_is_spoken_to_and_probed() {
    let (authority, line) = trusted();
    let backend = Backend::start("a");
    let door = Door::tls(backend.address, authority.server(&["localhost"]).config(&["h2", "http/1.1"], None));
    let coalmine = before(door.address, "", &line).start();
    coalmine.wait_backend("web", "stable", "a", "up");
    let answer = coalmine.get("/x");
    assert_eq!((answer.status(), answer.text().as_str()), (200, "a"));
    let expected = |seen: &Seen| {
        matches!(seen, Seen::Handshake { alpn, name, certified: false, .. }
            if alpn.as_deref() == Some("http/1.1") && name.as_deref() == Some("localhost"))
    };
    assert!(door.seen().iter().all(expected), "{:?}", door.seen());
}

#[test]
fn sessions_are_resumed() {
    let (authority, line) = trusted();
    let backend = Backend::start("a");
    let door = Door::tls(backend.address, authority.server(&["localhost"]).config(&[], None));
    let coalmine = before(door.address, "", &line).start();
    let resumed = |seen: Vec<Seen>| seen.iter().any(|seen| matches!(seen, Seen::Handshake { resumed: true, .. }));
    eventually("one is resumed", || {
        assert_eq!(coalmine.connect().request("GET", "/x", &["Connection: close"]).status(), 200);
        resumed(door.seen())
    });
}

#[test]
fn a_backend_that_another_authority_vouches_for_is_down() {
    let (_authority, line) = trusted();
    let backend = Backend::start("a");
    let door = Door::tls(backend.address, Authority::new().server(&["localhost"]).config(&[], None));
    let coalmine = before(door.address, "", &line).start();
    let reason = down(&coalmine);
    assert!(reason.starts_with("TLS: invalid peer certificate"), "{reason}");
    assert!(matches!(coalmine.get("/").status(), 502 | 503));
    assert_eq!(backend.count(), 0);
}

#[test]
fn a_backend_of_another_name_is_a_bad_gateway_unless_its_name_is_configured() {
    let (authority, line) = trusted();
    let backend = Backend::start("a");
    let door = Door::tls(backend.address, authority.server(&["app.internal"]).config(&[], None));
    let patient = |config: Config| config.start();
    let coalmine = patient(before(door.address, "", &line));
    assert!(down(&coalmine).contains("not valid for name"), "{}", down(&coalmine));
    drop(coalmine);
    let coalmine = patient(before(door.address, "", &format!("{line}\nserver_name = \"app.internal\"")));
    assert_eq!(coalmine.get("/").status(), 200);
    let named = |seen: &Seen| matches!(seen, Seen::Handshake { name: Some(name), .. } if name == "app.internal");
    assert!(door.seen().iter().any(named), "{:?}", door.seen());
}

#[test]
fn a_backend_that_demands_a_certificate_gets_ours() {
    let (authority, line) = trusted();
    let backend = Backend::start("a");
    let door = Door::tls(backend.address, authority.server(&["localhost"]).config(&[], Some(&authority)));
    let coalmine = before(door.address, "", &line).start();
    down(&coalmine);
    drop(coalmine);
    let ours = authority.client("coalmine");
    let files = format!("cert_file = \"{}\"\nkey_file = \"{}\"", ours.cert.display(), ours.key.display());
    let coalmine = before(door.address, "", &format!("{line}\n{files}")).start();
    assert_eq!(coalmine.get("/").status(), 200);
    assert!(door.seen().iter().any(|seen| matches!(seen, Seen::Handshake { certified: true, .. })));
}

#[test]
fn http_2_is_spoken_where_both_sides_choose_it() {
    let (authority, line) = trusted();
    let backend = H2Backend::start();
    let door = Door::tls(backend.address, authority.server(&["localhost"]).config(&["h2", "http/1.1"], None));
    let coalmine = before(door.address, "h2 = true", &line).start();
    coalmine.wait_backend("web", "stable", "a", "up");
    assert_eq!(coalmine.get("/x").text(), "h2");
    assert_eq!(backend.requests()[0].uri, "https://test/x");
    let h2 = |seen: &Seen| matches!(seen, Seen::Handshake { alpn, .. } if alpn.as_deref() == Some("h2"));
    assert!(door.seen().iter().all(h2), "{:?}", door.seen());
}

#[test]
fn a_backend_that_does_not_choose_http_2_is_down() {
    let (authority, line) = trusted();
    let backend = Backend::start("a");
    let door = Door::tls(backend.address, authority.server(&["localhost"]).config(&[], None));
    let coalmine = before(door.address, "h2 = true", &line).start();
    assert_eq!(down(&coalmine), "TLS: the backend does not speak HTTP/2 over TLS");
}

#[test]
fn a_reload_reads_the_files_again() {
    let (older, line) = trusted();
    let backend = Backend::start("a");
    let newer = Authority::new();
    let door = Door::tls(backend.address, newer.server(&["localhost"]).config(&[], None));
    let coalmine = before(door.address, "", &line).start();
    down(&coalmine);
    std::fs::copy(&newer.file, &older.file).unwrap();
    assert_eq!(coalmine.ask("POST", "/api/v1/reload").status(), 200);
    coalmine.wait_backend("web", "stable", "a", "up");
    assert_eq!(coalmine.get("/").status(), 200);
}

#[test]
fn a_file_that_is_of_no_use_is_named_with_the_reason() {
    let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let (one, other) = (authority.client("a"), authority.client("b"));
    for (name, content) in [("own.pem", &one.cert), ("own.key", &one.key), ("other.key", &other.key)] {
        std::fs::copy(content, directory.path().join(name)).unwrap();
    }
    std::fs::write(directory.path().join("empty.pem"), "").unwrap();
    for (lines, key, why) in [
        ("ca_file = \"nowhere.pem\"", "tls.ca_file", "cannot be read"),
        ("ca_file = \"empty.pem\"", "tls.ca_file", "has no certificate"),
        ("cert_file = \"own.pem\"", "tls.key_file", "of no use without its key"),
        ("key_file = \"own.key\"", "tls.cert_file", "of no use without its certificate"),
        ("cert_file = \"own.pem\"\nkey_file = \"own.pem\"", "tls.key_file", "has no private key"),
        ("cert_file = \"own.pem\"\nkey_file = \"other.key\"", "tls.key_file", "not the key of cert_file"),
        ("server_name = \"a b\"", "tls.server_name", "not a name"),
    ] {
        let text_of = format!(
            "[[service]]\nname = \"web\"\n[service.stable]\nbackends = [\"https://a:1\"]\n[service.stable.tls]\n{lines}\n"
        );
        let path = directory.path().join("coalmine.toml");
        std::fs::write(&path, text_of).unwrap();
        let exit = run(&["check", "-c", text(&path)]);
        assert!(exit.code == Some(2) && exit.stderr.contains(key) && exit.stderr.contains(why), "{lines}: {exit:?}");
    }
}

#[test]
fn an_address_that_means_nothing_is_refused_with_the_way_to_write_it() {
    for (address, why) in [
        ("https://unix:/run/a.sock", "TLS is not spoken over a unix socket"),
        ("unix:run/a.sock", "absolute"),
        ("unix:", "absolute"),
        ("http://a:80", "plain HTTP has no scheme here"),
        ("https://a", "the port is missing"),
        ("https://a:1/path", "the port is not a number"),
    ] {
        let service = format!("[[service]]\nname = \"web\"\n[service.stable]\nbackends = [\"{address}\"]\n");
        let (_directory, path) = written(&service);
        let exit = run(&["check", "-c", text(&path)]);
        assert!(exit.code == Some(2) && exit.stderr.contains(why), "{address}: {exit:?}");
        assert!(exit.stderr.contains("unix:/run/app.sock"), "{exit:?}");
    }
}
