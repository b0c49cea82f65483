//! Probes: what is written for the track, before what is written for the service, before the track's default.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::HeaderValue;
use http::uri::PathAndQuery;

use super::scalar::{duration, whole, word};
use super::status::{ALL, statuses};
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::RawProbe;
use crate::model::{ProbeQuestion, ProbeSpec, Track};

const HOUR: Duration = Duration::from_secs(3600);
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(10)..=HOUR;
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=HOUR;
const COUNT: RangeInclusive<u32> = 1..=1000;
/// Of a gRPC service, in bytes.
const LONGEST_NAME: usize = 255;

/// Where the probe of one track may be written, the first word first.
pub(super) struct Layers<'a> {
    pub(super) track: Track,
    pub(super) own: (&'a Key, &'a RawProbe),
    pub(super) shared: (&'a Key, &'a RawProbe),
}

impl Layers<'_> {
    /// The value, and the key that wrote it.
    fn pick<T>(&self, field: &str, get: impl Fn(&RawProbe) -> Option<T>, default: T) -> (Key, T) {
        self.written(field, get).unwrap_or_else(|| (self.shared.0.field(field), default))
    }

    /// The same if anybody wrote it.
    fn written<T>(&self, field: &str, get: impl Fn(&RawProbe) -> Option<T>) -> Option<(Key, T)> {
        let [own, shared] = [self.own, self.shared].map(|(key, raw)| get(raw).map(|value| (key.field(field), value)));
        own.or(shared)
    }
}

pub(super) fn probe(problems: &mut Problems<'_>, layers: &Layers<'_>) -> Option<ProbeSpec> {
    let (default_interval, default_fall) = match layers.track {
        Track::Stable => ("2s", 3),
        Track::Canary => ("500ms", 1),
    };
    let question = question(problems, layers);
    let (key, text) = layers.pick("host", |raw| raw.host.clone(), String::new());
    let host = host(problems, &key, text);
    let (key, text) = layers.pick("interval", |raw| raw.interval.clone(), default_interval.into());
    let interval = duration(problems, &key, &text, INTERVAL);
    let (key, text) = layers.pick("timeout", |raw| raw.timeout.clone(), "1s".into());
    let timeout = duration(problems, &key, &text, TIMEOUT);
    let (key, number) = layers.pick("fall", |raw| raw.fall, default_fall);
    let fall = whole(problems, &key, number, COUNT).and_then(NonZeroU32::new);
    let (key, number) = layers.pick("rise", |raw| raw.rise, 2);
    let rise = whole(problems, &key, number, COUNT).and_then(NonZeroU32::new);
    Some(ProbeSpec {
        question: question?,
        host: host?,
        interval: interval?,
        timeout: timeout?,
        fall: fall?,
        rise: rise?,
    })
}

fn question(problems: &mut Problems<'_>, layers: &Layers<'_>) -> Option<ProbeQuestion> {
    let (key, kind) = layers.pick("kind", |raw| raw.kind.clone(), "http".into());
    let grpc = word(problems, &key, &kind, &[("http", false), ("grpc", true)])?;
    if grpc { grpc_question(problems, layers) } else { http_question(problems, layers) }
}

fn http_question(problems: &mut Problems<'_>, layers: &Layers<'_>) -> Option<ProbeQuestion> {
    let service = layers.written("service", |raw| raw.service.clone()).filter(|(_, text)| !text.is_empty());
    let service = service.map_or(Some(()), |(key, text)| {
        problems.refuse(&key, text, "only a probe of kind \"grpc\" asks for a service", "write kind = \"grpc\"")
    });
    let (key, text) = layers.pick("path", |raw| raw.path.clone(), "/".into());
    let path = path(problems, &key, text);
    let (key, texts) = layers.pick("expect_status", |raw| raw.expect_status.clone(), vec!["200-399".into()]);
    let expect_status = if texts.is_empty() {
        problems.refuse(&key, "[]", "no status would be healthy", ALL.remedy)
    } else {
        statuses(problems, &key, &texts, &ALL)
    };
    let (_, expect_body) = layers.pick("expect_body", |raw| raw.expect_body.clone(), String::new());
    service?;
    Some(ProbeQuestion::Http { path: path?, expect_status: expect_status?, expect_body })
}

fn grpc_question(problems: &mut Problems<'_>, layers: &Layers<'_>) -> Option<ProbeQuestion> {
    let path = layers.written("path", |raw| raw.path.clone());
    let status = layers.written("expect_status", |raw| raw.expect_status.as_ref().map(|all| all.join(", ")));
    let body = layers.written("expect_body", |raw| raw.expect_body.clone());
    let mut foreign = false;
    for (key, text) in [path, status, body].into_iter().flatten() {
        foreign = true;
        let remedy = "remove it, or write it for the track whose probe is of kind \"http\"";
        problems.refuse::<()>(&key, text, "a probe of kind \"grpc\" has none", remedy);
    }
    let (key, service) = layers.pick("service", |raw| raw.service.clone(), String::new());
    if service.len() > LONGEST_NAME {
        return problems.refuse(&key, service, format!("longer than {LONGEST_NAME} bytes"), "write a shorter name");
    }
    (!foreign).then_some(ProbeQuestion::Grpc { service })
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
