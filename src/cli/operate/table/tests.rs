//! What people see.

use std::time::{Duration, SystemTime};

use serde_json::json;

use super::*;

#[test]
fn a_service_is_shown_with_all_that_is_said_of_it() {
    let answer = json!({ "generation": 7, "services": [{
        "name": "shop",
        "tracks": {
            "stable": { "weight": 9, "configured_weight": 2, "backends": [
                { "id": "web1", "address": "10.0.0.11:3002", "state": "up", "reason": null,
                  "since": "2026-01-01T00:00:00.000Z", "draining": false, "in_flight": 12 },
                { "id": "web2", "address": "10.0.0.12:3002", "state": "up", "reason": null,
                  "since": "2026-01-01T00:00:00.000Z", "draining": true, "in_flight": 0 },
            ]},
            "canary": { "weight": 1, "configured_weight": 1, "backends": [
                { "id": "web3", "address": "10.0.0.13:3002", "state": "down", "reason": "connection refused",
                  "since": "2026-01-01T00:59:58.000Z", "draining": false, "in_flight": 1,
                  "ejected_until": "2026-01-01T01:00:30.000Z" },
            ]},
        },
        "gate": { "state": "ejected", "reasons": ["alert", "probe"], "since": "2026-01-01T00:58:30.000Z",
                  "owners": { "": { "reason": "slow" }, "api": { "reason": "looks odd", "by": "ops" } } },
        "degraded": "shared dependency",
        "marks": {
            "drains": { "web2": { "keep_sessions": true, "reason": "new kernel", "by": "ops" } },
            "weights": { "stable": 9, "canary": 1 },
            "ejection": { "by": "ops" },
            "peers": { "lb2": { "reason": "live" } },
            "lease": { "id": "secret", "backend": "web2", "until": "2026-01-01T01:01:00.000Z" },
        },
    }]});
    let expected = "\
service shop
  weights  9:1 (the file says 2:1)
  gate     ejected for 1m 30s: alert, probe
  alert    -: slow
  alert    api: looks odd (ops)
  degraded shared dependency
  mark     weights 9:1
  mark     canary ejected by hand (ops)
  mark     drain of web2, sessions kept: new kernel (ops)
  mark     lease of web2 until 2026-01-01T01:01:00.000Z
  mark     balancer lb2 has ejected the canary: live
  track   backend  address         state                                         in flight  for  reason
  stable  web1     10.0.0.11:3002  up                                            12         1h
  stable  web2     10.0.0.12:3002  up, draining                                  0          1h
  canary  web3     10.0.0.13:3002  down, ejected until 2026-01-01T01:00:30.000Z  1          2s   connection refused
";
    assert_eq!(render(&answer, at()), expected);
}

#[test]
fn one_service_without_canary_and_marks_is_short() {
    let service = json!({ "name": "shop", "tracks": { "stable": { "weight": 2, "backends": [
        { "id": "web1", "address": "web1:80", "state": "unknown", "since": "2027-01-01T00:00:00Z", "in_flight": 0 },
    ]}}});
    let expected = "\
service shop
  weights  2
  track   backend  address  state    in flight  for  reason
  stable  web1     web1:80  unknown  0          0s
";
    assert_eq!(render(&service, at()), expected);
}

#[test]
fn nothing_in_an_answer_drives_the_terminal_or_breaks_the_table() {
    let service = json!({ "name": "shop", "gate": { "state": 7, "reasons": {}, "owners": {
        "a\u{1b}[2Jb": { "reason": "two\nlines\u{9b}" },
    }}});
    let shown = render(&service, at());
    assert!(!shown.contains(['\u{1b}', '\u{9b}']) && shown.contains("two lines"), "{shown:?}");
    assert!(!render(&json!([1, null]), at()).is_empty());
}

fn at() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_229_200)
}
