//! What operators and other balancers say in a key.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{MAX_NAME, MAX_REASON, Raw, is_clear, one_line, some_line};
use crate::bus::held::Held;
use crate::bus::key::{Place, is_token};
use crate::model::{BackendId, DrainMark, EjectMark, LeaseMark, Note, PeerMark, Reason, Secret, Weight, WeightMark};

/// The length of the signing key, in hexadecimal digits.
const KEY_DIGITS: usize = 64;

/// Why a value says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bus) struct Unreadable(pub(in crate::bus) &'static str);

/// The JSON form of a drain and of an operator's ejection.
#[derive(Deserialize)]
#[serde(default)]
struct Wire {
    reason: Value,
    by: Value,
    keep_sessions: bool,
}

impl Default for Wire {
    fn default() -> Self {
        Self { reason: Value::Null, by: Value::Null, keep_sessions: false }
    }
}

/// What a key in `place` says; `Ok(None)`: nothing.
pub(in crate::bus) fn held(place: &Place, raw: &Raw) -> Result<Option<Held>, Unreadable> {
    let bytes = match raw {
        Raw::Absent => return Ok(None),
        // Whoever wrote it meant something by it.
        Raw::WrongType if *place == Place::Alert => return Ok(Some(Held::Alert(super::wrong_type()))),
        Raw::WrongType => return Err(Unreadable("not a string")),
        Raw::Bytes(bytes) => bytes,
    };
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    if *place != Place::Alert && is_clear(bytes, text) {
        return Ok(None);
    }
    match place {
        Place::Alert => Ok(super::value(bytes).map(Held::Alert)),
        Place::Drain(_) => Ok(Some(Held::Drain(drain(text)))),
        Place::Ejection(_) => Ok(Some(Held::Ejection(EjectMark { note: drain(text).note }))),
        Place::Weights(_) => weights(text).map(Held::Weights).map(Some),
        Place::Peer(_) => peer(text).map(Held::Peer).map(Some),
        Place::Lease(_) => lease(text).map(Held::Lease).map(Some),
        Place::AffinityKey => affinity_key(text).map(Held::AffinityKey).map(Some),
        Place::Challenge(token) => challenge(token, text).map(Held::Challenge).map(Some),
    }
}

/// A note as it is kept: on one line, bounded, and nothing where nothing is said.
pub(in crate::bus) fn noted(note: Note) -> Note {
    let line = |text: Option<Arc<str>>, max| text.and_then(|text| some_line(&text, max));
    Note { reason: line(note.reason, MAX_REASON), by: line(note.by, MAX_NAME) }
}

/// The backend that the rest of a key names.
pub(in crate::bus) fn backend(rest: &[u8]) -> BackendId {
    BackendId::new(one_line(&String::from_utf8_lossy(rest), MAX_NAME))
}

/// The balancer that the rest of a key names.
pub(in crate::bus) fn balancer(rest: &[u8]) -> Arc<str> {
    one_line(&String::from_utf8_lossy(rest), MAX_NAME).into()
}

/// Any text is one: what is not our JSON is the reason.
fn drain(text: &str) -> DrainMark {
    let wire = text.starts_with('{').then(|| serde_json::from_str::<Wire>(text).ok()).flatten();
    let Some(Wire { reason, by, keep_sessions }) = wire else {
        return DrainMark { keep_sessions: false, note: Note { reason: some_line(text, MAX_REASON), by: None } };
    };
    DrainMark { keep_sessions, note: Note { reason: words(&reason, MAX_REASON), by: words(&by, MAX_NAME) } }
}

fn words(value: &Value, max: usize) -> Option<Arc<str>> {
    match value {
        Value::Null => None,
        Value::String(text) => some_line(text, max),
        other => some_line(&other.to_string(), max),
    }
}

fn weights(text: &str) -> Result<WeightMark, Unreadable> {
    let mark = match text.split_once(':') {
        Some((stable, canary)) if !text.starts_with('{') => {
            let weight = |text: &str| text.trim().parse().ok().and_then(Weight::new);
            let (Some(stable), Some(canary)) = (weight(stable), weight(canary)) else {
                return Err(Unreadable("not two weights of 0 to 1000, such as 2:1"));
            };
            WeightMark { stable, canary, note: Note::default() }
        }
        _ => json::<WeightMark>(text, "neither 2:1 nor {\"stable\":2,\"canary\":1}, each 0 to 1000")?,
    };
    if mark.stable.get() + mark.canary.get() == 0 {
        return Err(Unreadable("both weights are 0"));
    }
    Ok(WeightMark { note: noted(mark.note), ..mark })
}

fn peer(text: &str) -> Result<PeerMark, Unreadable> {
    let mark: PeerMark = json(text, "not {\"reason\":\"live\"}")?;
    // Two balancers that followed each other would hold each other's canary out for ever.
    if mark.reason == Reason::Peer { Err(Unreadable("not seen at first hand")) } else { Ok(mark) }
}

fn lease(text: &str) -> Result<LeaseMark, Unreadable> {
    let mark: LeaseMark = json(text, "not a lease")?;
    let id = one_line(&mark.id, MAX_NAME).into();
    Ok(LeaseMark { id, backend: backend(mark.backend.as_str().as_bytes()), note: noted(mark.note), ..mark })
}

fn affinity_key(text: &str) -> Result<Secret, Unreadable> {
    let valid = text.len() == KEY_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if valid { Ok(Secret::new(text.to_owned())) } else { Err(Unreadable("not 64 hexadecimal digits")) }
}

/// A key authorization begins with its token, so that nobody can have another text served.
fn challenge(token: &str, text: &str) -> Result<String, Unreadable> {
    let thumbprint = text.strip_prefix(token).and_then(|rest| rest.strip_prefix('.'));
    let valid = thumbprint.is_some_and(is_token);
    if valid { Ok(text.to_owned()) } else { Err(Unreadable("not the token, a dot and a thumbprint")) }
}

fn json<T: DeserializeOwned>(text: &str, otherwise: &'static str) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|_| Unreadable(otherwise))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bus::parse::MAX_VALUE;
    use crate::model::ServiceName;

    fn places() -> [Place; 7] {
        let app = ServiceName::new("app").unwrap();
        [
            Place::Alert,
            Place::Drain(app.clone()),
            Place::Weights(app.clone()),
            Place::Ejection(app.clone()),
            Place::Peer(app.clone()),
            Place::Lease(app),
            Place::AffinityKey,
        ]
    }

    fn read(place: usize, text: &str) -> Result<Option<Held>, Unreadable> {
        held(&places()[place], &Raw::Bytes(text.as_bytes().to_vec()))
    }

    fn shown(place: usize, text: &str) -> String {
        read(place, text).unwrap().map_or_else(String::new, |held| held.text())
    }

    #[test]
    fn a_drain_and_an_ejection_are_json_or_any_text_but_a_no() {
        assert_eq!(shown(1, "kernel update\n"), r#"{"keep_sessions":false,"reason":"kernel update"}"#);
        assert_eq!(shown(1, r#"{"keep_sessions":true,"by":"ops"}"#), r#"{"keep_sessions":true,"by":"ops"}"#);
        assert_eq!(shown(1, "{not json}"), r#"{"keep_sessions":false,"reason":"{not json}"}"#);
        assert_eq!(shown(3, "1"), r#"{"reason":"1"}"#);
        assert_eq!(shown(3, r#"{"reason":7}"#), r#"{"reason":"7"}"#);
        for place in [1, 3] {
            for no in ["0", "false", " OFF ", "", "no"] {
                assert_eq!(read(place, no), Ok(None), "{no}");
            }
        }
    }

    #[test]
    fn weights_are_json_or_a_ratio_within_their_range() {
        assert_eq!(shown(2, "2:1"), r#"{"stable":2,"canary":1}"#);
        assert_eq!(shown(2, r#"{"stable":2,"canary":0,"reason":"x","by":"ops"}"#).len(), 47);
        for bad in ["2", "2:", ":1", "2:-1", "1001:1", "0:0", "x:y", r#"{"stable":2}"#, "1:1:1", "65536:1"] {
            assert!(read(2, bad).is_err(), "{bad}");
        }
        assert_eq!(read(2, "off"), Ok(None));
    }

    #[test]
    fn a_peer_says_why_and_never_that_it_follows() {
        assert_eq!(shown(4, r#"{"reason":"live"}"#), r#"{"reason":"live"}"#);
        assert!(read(4, r#"{"reason":"peer"}"#).is_err());
        assert!(read(4, "x").is_err());
    }

    #[test]
    fn a_lease_and_the_signing_key_are_of_one_form() {
        let lease = r#"{"id":"a","backend":"web1","until":"2030-01-01T00:00:00.000Z","by":"ops"}"#;
        assert_eq!(shown(5, lease), lease);
        assert!(read(5, "web1").is_err());
        assert!(read(5, r#"{"id":"a","backend":"web1","until":"1900-01-01T00:00:00Z"}"#).is_err());
        let key = "0123456789abcdefABCDEF0123456789".repeat(2);
        assert_eq!(shown(6, &key), key);
        assert!(read(6, &key[1..]).is_err());
    }

    #[test]
    fn a_value_of_a_wrong_type_is_an_alert_and_nothing_else() {
        for place in &places()[1..] {
            assert!(held(place, &Raw::WrongType).is_err());
        }
        assert!(matches!(held(&Place::Alert, &Raw::WrongType), Ok(Some(Held::Alert(_)))));
    }

    proptest! {
        #[test]
        fn what_is_read_is_bounded_and_written_back_the_same(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            line in "\\PC{0,700}",
        ) {
            for place in places() {
                for raw in [bytes.clone(), line.clone().into_bytes()] {
                    let Ok(Some(read)) = held(&place, &Raw::Bytes(raw)) else { continue };
                    let text = read.text();
                    prop_assert!(text.len() < MAX_VALUE);
                    prop_assert_eq!(held(&place, &Raw::Bytes(text.into_bytes())), Ok(Some(read)));
                }
            }
        }
    }
}
