//! Probes that ask the standard health service of gRPC.

use crate::support::coalmine::{run, text};
use crate::support::config::written;
use crate::support::{Backend, Config, Deed, H2Backend, Service, eventually};

const CHECK: &str = "/grpc.health.v1.Health/Check";

fn before(address: impl std::fmt::Display) -> Config {
    let web = Service::new("web").table("stable", &format!("backends = [{{ address = \"{address}\", name = \"a\" }}]"));
    let web = web.quick_probes().probe("timeout = \"5s\"").probe("kind = \"grpc\"").probe("service = \"shop.Cart\"");
    Config::new().service(web)
}

#[test]
fn a_backend_is_up_while_it_serves() {
    let backend = H2Backend::start();
    backend.on(CHECK, Deed::Grpc(1, "0"));
    let coalmine = before(backend.address).start();
    coalmine.wait_backend("web", "stable", "a", "up");
    let probe = backend.probes().remove(0);
    assert_eq!((probe.method.as_str(), probe.uri.as_str()), ("POST", &*format!("http://{}{CHECK}", backend.address)));
    assert_eq!(&probe.body[..], b"\0\0\0\0\x0b\x0a\x09shop.Cart");
    assert_eq!(probe.headers["content-type"], "application/grpc");
    assert_eq!(probe.headers["te"], "trailers");

    for (health, status, reason) in [
        (2, "0", "grpc health NOT_SERVING"),
        (3, "0", "grpc health SERVICE_UNKNOWN"),
        (1, "12", "grpc-status 12"),
        (9, "0", "answer is not gRPC"),
    ] {
        backend.on(CHECK, Deed::Grpc(health, status));
        eventually(reason, || coalmine.backend("web", "stable", "a")["reason"] == reason);
        assert_eq!(coalmine.backend("web", "stable", "a")["state"], "down");
    }
    backend.on(CHECK, Deed::Grpc(1, "0"));
    coalmine.wait_backend("web", "stable", "a", "up");
}

#[test]
fn a_server_without_grpc_is_down_with_the_reason() {
    let plain = H2Backend::start();
    let coalmine = before(plain.address).start();
    coalmine.wait_backend("web", "stable", "a", "down");
    assert_eq!(coalmine.backend("web", "stable", "a")["reason"], "answer is not gRPC");
    let old = Backend::start("a");
    let coalmine = before(old.address).start();
    coalmine.wait_backend("web", "stable", "a", "down");
}

#[test]
fn what_only_a_get_has_is_refused_beside_grpc() {
    for line in ["path = \"/up\"", "expect_status = [\"200\"]", "expect_body = \"ok\""] {
        let name = line.split(' ').next().unwrap();
        let config = format!(
            "[[service]]\nname = \"web\"\n[service.stable]\nbackends = [\"a:1\"]\n[service.probe]\nkind = \"grpc\"\n{line}\n"
        );
        let (_directory, path) = written(&config);
        let exit = run(&["check", "-c", text(&path)]);
        let told = format!("service[0].probe.{name}");
        assert!(exit.code == Some(2) && exit.stderr.contains(&told), "{exit:?}");
    }
    let config =
        "[[service]]\nname = \"web\"\n[service.stable]\nbackends = [\"a:1\"]\n[service.probe]\nservice = \"x\"\n";
    let (_directory, path) = written(config);
    let exit = run(&["check", "-c", text(&path)]);
    assert!(exit.code == Some(2) && exit.stderr.contains("kind = \"grpc\""), "{exit:?}");
}
