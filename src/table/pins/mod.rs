//! Signed cookies that keep a visitor on a version or on a server.

use std::sync::Arc;

use http::HeaderValue;

use super::{Keys, hex};
use crate::model::{Affinity, BackendId, CookieSpec, ServiceName, Track};

/// The format that is written, and the only one that is read.
const VERSION: &str = "1";
/// Longest value that is written or looked at, in bytes.
const MAX_VALUE: usize = 1024;
/// Cookies of the same name that are looked at. Neighbours under the same domain may have set some.
const MAX_TRIED: usize = 4;

/// The cookies of one service. A value is `1.<s|c>[.<backend's id in hex>].<signature in hex>`: a pure function of the
/// keys, the service's name and the place, so that every balancer with the same keys reads it, after a reload too.
///
/// A visitor can't make one or use that of another service. It can read the backend's id.
#[derive(Debug)]
pub struct Pins {
    pub affinity: Affinity,
    pub cookie: CookieSpec,
    keys: Arc<Keys>,
    /// Goes before each payload that is signed.
    domain: Vec<u8>,
    /// What follows a value in `Set-Cookie`.
    attributes: String,
}

/// Where a visitor was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    pub track: Track,
    /// The id of a backend; it may be gone.
    pub backend: Option<String>,
}

impl Pins {
    pub fn new(affinity: Affinity, cookie: CookieSpec, service: &ServiceName, keys: Arc<Keys>) -> Self {
        let secure = if cookie.secure { "; Secure" } else { "" };
        let max_age = match cookie.max_age.as_secs() {
            0 => String::new(),
            seconds => format!("; Max-Age={seconds}"),
        };
        let attributes = format!("; Path=/; HttpOnly; SameSite=Lax{secure}{max_age}");
        let domain = format!("coalmine pin\0{service}\0").into_bytes();
        Self { affinity, cookie, keys, domain, attributes }
    }

    /// The first of a visitor's cookies of this name that is genuine. Looks at a few only.
    pub fn read<'a>(&self, values: impl Iterator<Item = &'a [u8]>) -> Option<Pin> {
        values.take(MAX_TRIED).find_map(|value| self.verified(value))
    }

    /// The `Set-Cookie` that keeps a visitor at this place; `None` when the backend's id is too long for a cookie.
    pub fn set_cookie(&self, track: Track, backend: &BackendId) -> Option<HeaderValue> {
        let track = match track {
            Track::Stable => "s",
            Track::Canary => "c",
        };
        let payload = match self.affinity {
            Affinity::Backend => format!("{VERSION}.{track}.{}", hex::encode(backend.as_str().as_bytes())),
            Affinity::None | Affinity::Track => format!("{VERSION}.{track}"),
        };
        let value = format!("{payload}.{}", hex::encode(&self.keys.sign(&self.message(&payload))));
        let cookie = format!("{}={value}{}", self.cookie.name, self.attributes);
        if value.len() <= MAX_VALUE { HeaderValue::try_from(cookie).ok() } else { None }
    }

    fn verified(&self, value: &[u8]) -> Option<Pin> {
        if value.len() > MAX_VALUE {
            return None;
        }
        let (payload, signature) = str::from_utf8(value).ok()?.rsplit_once('.')?;
        if !self.keys.verify(&self.message(payload), &hex::decode(signature)?) {
            return None;
        }
        let mut parts = payload.split('.');
        let version = parts.next()?;
        let track = match parts.next()? {
            "s" => Track::Stable,
            "c" => Track::Canary,
            _ => return None,
        };
        let backend = match parts.next() {
            Some(id) => Some(String::from_utf8(hex::decode(id)?).ok()?),
            None => None,
        };
        (version == VERSION && parts.next().is_none()).then_some(Pin { track, backend })
    }

    fn message(&self, payload: &str) -> Vec<u8> {
        [&self.domain, payload.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests;
