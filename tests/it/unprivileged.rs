//! The program needs no root: one capability, or a socket that it is given, opens the ports below 1024.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::coalmine::{Coalmine, run};
use crate::support::{Backend, Config};

/// Nobody, with the one capability that config/coalmine.service gives.
const NOBODY: &[&str] = &[
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--no-new-privs",
    "--bounding-set=-all,+net_bind_service",
    "--inh-caps=-all,+net_bind_service",
    "--ambient-caps=-all,+net_bind_service",
];

#[test]
fn nobody_with_one_capability_serves_on_a_low_port() {
    // Without root nobody else can be become; then every other test is run without root.
    let Some(port) = low_port() else { return };
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("coalmine");
    std::fs::copy(env!("CARGO_BIN_EXE_coalmine"), &program).unwrap();
    let backend = Backend::start("a");
    let config = Config::of(&[&backend], &[]).listen(&format!("http = [\"127.0.0.1:{port}\"]"));
    let mut command = Command::new("setpriv");
    command.args(NOBODY).arg(&program);
    let coalmine = Coalmine::start_readable(&config, command);
    coalmine.wait_ready();
    assert_eq!(coalmine.get("/").text(), "a");
    let status = std::fs::read_to_string(format!("/proc/{}/status", coalmine.process.pid())).unwrap();
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    assert!(line("Uid:").starts_with("65534"), "{status}");
    assert_eq!(u64::from_str_radix(&line("CapEff:"), 16), Ok(1 << 10), "that of ports and no other");
}

#[test]
fn the_unit_gives_the_program_what_it_needs_and_no_more() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/coalmine.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    for line in [
        "User=coalmine",
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
        "NoNewPrivileges=yes",
    ] {
        assert!(unit.lines().any(|it| it == line), "{line}");
    }
    assert_eq!(run(&["--version"]).code, Some(0));
}

/// A free port that only root, or who has the capability, may bind.
fn low_port() -> Option<u16> {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if is_root { (600..1024).find(free) } else { None }
}
