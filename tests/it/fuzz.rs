//! What the fuzzer has found worth keeping is tried here, without a fuzzer.

use std::fs;
use std::path::PathBuf;

use self::checks::{alert, config, framing, proxy_header};

#[path = "../../fuzz/checks.rs"]
mod checks;

#[test]
fn the_kept_alerts_are_read() {
    replay("alert", alert);
}

#[test]
fn the_kept_configurations_are_read_or_refused() {
    replay("config", config);
}

#[test]
fn the_kept_messages_are_divided_as_the_server_divides_them() {
    replay("framing", framing);
}

#[test]
fn the_kept_proxy_headers_are_read_within_their_bounds() {
    replay("proxy_header", proxy_header);
}

fn replay(target: &str, check: fn(&[u8])) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut tried = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let passed = std::panic::catch_unwind(|| check(&bytes));
        assert!(passed.is_ok(), "{}", path.display());
        tried += 1;
    }
    assert!(tried >= 10, "only {tried} in {}", folder.display());
}
