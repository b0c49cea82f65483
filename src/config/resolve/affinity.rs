//! What keeps visitors in place: `[affinity]` and `[service.cookie]`.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::scalar::{DAY, duration};
use super::secret::secret;
use super::token::token;
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::{RawAffinity, RawCookie};
use crate::model::{AffinitySettings, CookieSpec, Secret, ServiceName};

/// Fewer bytes can be guessed.
const SHORTEST_KEY: usize = 16;

/// Browsers forget a cookie after that, whatever it says.
const MAX_AGE: RangeInclusive<Duration> = Duration::ZERO..=DAY.saturating_mul(400);

pub(super) fn affinity(problems: &mut Problems<'_>, raw: &RawAffinity, directory: &Path) -> Option<AffinitySettings> {
    let table = Key::top("affinity");
    let (key, file_key) = (table.field("key"), table.field("key_file"));
    if raw.key.is_empty() {
        let secret = secret(problems, &file_key, &raw.key_file, directory)?;
        return long_enough(problems, (&file_key, &raw.key_file), secret);
    }
    if !raw.key_file.is_empty() {
        let remedy = "keep one of affinity.key and affinity.key_file; \"\" is none";
        return problems.refuse(&key, "***", "both a key and a file with one are there", remedy);
    }
    long_enough(problems, (&key, "***"), Some(Secret::new(raw.key.trim().to_owned())))
}

/// `written` is what to show of the key, and where it was written.
fn long_enough(problems: &mut Problems<'_>, written: (&Key, &str), secret: Option<Secret>) -> Option<AffinitySettings> {
    if secret.as_ref().is_some_and(|secret| secret.reveal().len() < SHORTEST_KEY) {
        let why = format!("the key is shorter than {SHORTEST_KEY} bytes");
        let remedy = format!("write {SHORTEST_KEY} random bytes or more, such as `openssl rand -base64 32` prints");
        return problems.refuse(written.0, written.1, why, remedy);
    }
    Some(AffinitySettings { key: secret })
}

pub(super) fn cookie(
    problems: &mut Problems<'_>,
    key: &Key,
    raw: &RawCookie,
    service: Option<&ServiceName>,
) -> Option<CookieSpec> {
    let name = match raw.name.as_str() {
        "" => service.map(|service| format!("coalmine-{service}")),
        text => cookie_name(problems, &key.field("name"), text, raw.secure),
    };
    let age_key = key.field("max_age");
    let max_age = duration(problems, &age_key, &raw.max_age, MAX_AGE);
    if max_age.is_some_and(|age| age.subsec_nanos() != 0) {
        let remedy = "write whole seconds; \"0s\" is for as long as the browser runs";
        return problems.refuse(&age_key, &raw.max_age, "the age of a cookie is counted in seconds", remedy);
    }
    Some(CookieSpec { name: name?, max_age: max_age?, secure: raw.secure })
}

/// Browsers drop a cookie whose name promises TLS and that does not ask for it.
fn cookie_name(problems: &mut Problems<'_>, key: &Key, text: &str, secure: bool) -> Option<String> {
    let name = token(problems, key, text)?;
    let lower = name.to_ascii_lowercase();
    if !secure && (lower.starts_with("__secure-") || lower.starts_with("__host-")) {
        let remedy = "add cookie.secure = true, or write a name without this beginning";
        return problems.refuse(key, text, "browsers take a cookie of this name only when it is secure", remedy);
    }
    Some(name)
}
