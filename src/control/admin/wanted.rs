//! What a change is asked with: a strict JSON body, and times as text.

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;
use crate::model::Note;

/// A body that was read whole and has no key too many. No body at all is an empty object.
pub(super) struct Wanted<T>(pub(super) T);

/// A body that can be asked for.
pub(super) trait Body: DeserializeOwned {
    /// How it is written.
    const EXAMPLE: &str;
}

/// Why, and by whom. Either may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    reason: Option<String>,
    by: Option<String>,
}

impl Body for Said {
    const EXAMPLE: &str = r#"{"reason": "..", "by": ".."}, or nothing"#;
}

impl Said {
    pub(super) fn note(self) -> Note {
        note(self.reason, self.by)
    }
}

/// Blank text says nothing.
pub(super) fn note(reason: Option<String>, by: Option<String>) -> Note {
    let text = |text: Option<String>| text.filter(|text| !text.trim().is_empty()).map(Into::into);
    Note { reason: text(reason), by: text(by) }
}

impl<T: Body, S: Send + Sync> FromRequest<S> for Wanted<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let body = Bytes::from_request(request, state).await.map_err(|rejection| {
            let remedy = format!("send at most {} bytes", super::MAX_BODY);
            Refusal::new(rejection.status(), format!("body: {}", rejection.body_text()), remedy)
        })?;
        parse(&body).map(Self)
    }
}

fn parse<T: Body>(body: &[u8]) -> Result<T, Refusal> {
    let remedy = || format!("write {}", T::EXAMPLE);
    let text = match body.trim_ascii() {
        [] => b"{}",
        text @ [b'{', ..] => text,
        _ => return Err(Refusal::bad("body: not a JSON object", remedy())),
    };
    serde_json::from_slice(text).map_err(|error| Refusal::bad(format!("body: {error}"), remedy()))
}

/// The time that `text` says, or what is wrong with the value of `key`.
pub(super) fn time(key: &str, text: &str, range: RangeInclusive<Duration>) -> Result<Duration, Refusal> {
    let show = humantime::format_duration;
    let remedy = || format!("write {} to {}, such as \"30s\"", show(*range.start()), show(*range.end()));
    let shown = text.escape_debug();
    let time = humantime::parse_duration(text)
        .map_err(|error| Refusal::bad(format!("{key}: `{shown}` is no time: {error}"), remedy()))?;
    if range.contains(&time) {
        Ok(time)
    } else {
        Err(Refusal::bad(format!("{key}: `{shown}` is out of range"), remedy()))
    }
}

/// The value of `key` in a query that may have no other.
pub(super) fn only<'a>(key: &str, query: Option<&'a str>) -> Result<Option<&'a str>, Refusal> {
    let mut found = None;
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some((name, value)) if name == key => found = Some(value),
            _ => {
                let error = format!("query: `{}` is not known here", pair.escape_debug());
                return Err(Refusal::new(StatusCode::BAD_REQUEST, error, format!("write ?{key}=.. or nothing")));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_an_object_without_unknown_keys_or_nothing() {
        assert_eq!(parse::<Said>(b" \n").unwrap().note(), Note::default());
        let said = parse::<Said>(br#"{"reason": "slow", "by": " "}"#).unwrap().note();
        assert_eq!((said.reason.as_deref(), said.by), (Some("slow"), None));
        for wrong in [r#"["slow", "ops"]"#, "{", r#"{"reason": 7}"#, r#"{"reson": "slow"}"#, "null", "slow"] {
            let refusal = parse::<Said>(wrong.as_bytes()).unwrap_err();
            assert_eq!(refusal.status(), StatusCode::BAD_REQUEST, "{wrong}");
        }
    }

    #[test]
    fn a_time_is_text_within_its_bounds() {
        let range = || Duration::from_secs(1)..=Duration::from_secs(60);
        assert_eq!(time("ttl", "30s", range()).unwrap(), Duration::from_secs(30));
        for wrong in ["", "30", "soon", "2m", "0s", "-1s", "99999999999999999999s"] {
            assert!(time("ttl", wrong, range()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_query_has_one_key() {
        assert_eq!(only("wait", Some("wait=3s")).unwrap(), Some("3s"));
        assert_eq!(only("wait", None).unwrap(), None);
        assert!(only("wait", Some("wiat=3s")).is_err() && only("wait", Some("wait=3s&x=1")).is_err());
    }
}
