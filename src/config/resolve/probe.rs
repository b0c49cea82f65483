//! Probes: what is written for the track, before what is written for the service, before the track's default.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::HeaderValue;
use http::uri::PathAndQuery;

use super::scalar::{duration, whole};
use super::status::{ALL, statuses};
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::RawProbe;
use crate::model::{ProbeSpec, Track};

const HOUR: Duration = Duration::from_secs(3600);
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(10)..=HOUR;
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=HOUR;
const COUNT: RangeInclusive<u32> = 1..=1000;

/// Where the probe of one track may be written, the first word first.
pub(super) struct Layers<'a> {
    pub(super) track: Track,
    pub(super) own: (&'a Key, &'a RawProbe),
    pub(super) shared: (&'a Key, &'a RawProbe),
}

impl Layers<'_> {
    /// The value, and the key that wrote it.
    fn pick<T>(&self, field: &str, get: impl Fn(&RawProbe) -> Option<T>, default: T) -> (Key, T) {
        let [own, shared] = [self.own, self.shared].map(|(key, raw)| get(raw).map(|value| (key.field(field), value)));
        own.or(shared).unwrap_or_else(|| (self.shared.0.field(field), default))
    }
}

pub(super) fn probe(problems: &mut Problems<'_>, layers: &Layers<'_>) -> Option<ProbeSpec> {
    let (default_interval, default_fall) = match layers.track {
        Track::Stable => ("2s", 3),
        Track::Canary => ("500ms", 1),
    };
    let (key, text) = layers.pick("path", |raw| raw.path.clone(), "/".into());
    let path = path(problems, &key, text);
    let (key, text) = layers.pick("host", |raw| raw.host.clone(), String::new());
    let host = host(problems, &key, text);
    let (key, texts) = layers.pick("expect_status", |raw| raw.expect_status.clone(), vec!["200-399".into()]);
    let expect_status = if texts.is_empty() {
        problems.refuse(&key, "[]", "no status would be healthy", ALL.remedy)
    } else {
        statuses(problems, &key, &texts, &ALL)
    };
    let (_, expect_body) = layers.pick("expect_body", |raw| raw.expect_body.clone(), String::new());
    let (key, text) = layers.pick("interval", |raw| raw.interval.clone(), default_interval.into());
    let interval = duration(problems, &key, &text, INTERVAL);
    let (key, text) = layers.pick("timeout", |raw| raw.timeout.clone(), "1s".into());
    let timeout = duration(problems, &key, &text, TIMEOUT);
    let (key, number) = layers.pick("fall", |raw| raw.fall, default_fall);
    let fall = whole(problems, &key, number, COUNT).and_then(NonZeroU32::new);
    let (key, number) = layers.pick("rise", |raw| raw.rise, 2);
    let rise = whole(problems, &key, number, COUNT).and_then(NonZeroU32::new);
    Some(ProbeSpec {
        path: path?,
        host: host?,
        expect_status: expect_status?,
        expect_body,
        interval: interval?,
        timeout: timeout?,
        fall: fall?,
        rise: rise?,
    })
}

fn path(problems: &mut Problems<'_>, key: &Key, text: String) -> Option<String> {
    let valid = text.starts_with('/') && !text.contains('#') && text.parse::<PathAndQuery>().is_ok();
    if valid { Some(text) } else { problems.refuse(key, text, "not a path", "write a path that begins with \"/\"") }
}

fn host(problems: &mut Problems<'_>, key: &Key, text: String) -> Option<String> {
    let valid = HeaderValue::from_str(&text).is_ok() && !text.contains(char::is_whitespace) && text.is_ascii();
    if valid {
        Some(text)
    } else {
        problems.refuse(key, text, "not a value of Host", "write a host name, or \"\" for the backend's address")
    }
}
