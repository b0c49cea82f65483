//! Requests whose track is not drawn: `[service.tester]` and `[[service.rule]]`.

use std::path::Path;

use http::HeaderValue;

use super::address::network;
use super::scalar::word;
use super::secret::secret;
use super::token::{header, is_cookie_value, token};
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::{RawRule, RawTester};
use crate::model::{Condition, RuleSpec, TesterSpec, Track};

/// Each request may be held against all of them.
const MOST_RULES: usize = 64;

pub(super) fn tester(problems: &mut Problems<'_>, key: &Key, raw: &RawTester, directory: &Path) -> Option<TesterSpec> {
    let header = header(problems, &key.field("header"), &raw.header);
    let cookie = match raw.cookie.as_str() {
        "" => Some(None),
        text => token(problems, &key.field("cookie"), text).map(Some),
    };
    let file_key = key.field("secret_file");
    if !raw.secret_file.is_empty() && raw.header.is_empty() && raw.cookie.is_empty() {
        let remedy = "write tester.header or tester.cookie, or remove the file";
        return problems.refuse(&file_key, &raw.secret_file, "a secret that nothing asks for", remedy);
    }
    let secret = secret(problems, &file_key, &raw.secret_file, directory)?;
    if secret.as_ref().is_some_and(|secret| !is_cookie_value(secret.reveal())) {
        let why = "the secret has characters that a cookie cannot carry";
        let remedy = "write visible ASCII characters, without spaces, quotes, backslashes, commas and semicolons";
        return problems.refuse(&file_key, &raw.secret_file, why, remedy);
    }
    Some(TesterSpec { header: header?, cookie: cookie?, secret })
}

/// `has_canary` tells whether the service has one to send anything to.
pub(super) fn rules(
    problems: &mut Problems<'_>,
    key: &Key,
    raw: &[RawRule],
    has_canary: bool,
) -> Option<Vec<RuleSpec>> {
    if raw.len() > MOST_RULES {
        let remedy = "keep the rules that matter; a network covers many addresses";
        return problems.refuse(key, raw.len(), format!("more than {MOST_RULES} rules"), remedy);
    }
    let rules: Vec<_> =
        raw.iter().enumerate().map(|(index, raw)| rule(problems, &key.index(index), raw, has_canary)).collect();
    rules.into_iter().collect()
}

fn rule(problems: &mut Problems<'_>, key: &Key, raw: &RawRule, has_canary: bool) -> Option<RuleSpec> {
    let condition = condition(problems, key, raw);
    let track_key = key.field("track");
    let words = [("stable", Track::Stable), ("canary", Track::Canary)];
    let track = match raw.track.as_deref() {
        None => problems.miss(&track_key, "the rule leads nowhere", "write track = \"stable\" or \"canary\""),
        Some("canary") if !has_canary => {
            let remedy = "add [service.canary], or write \"stable\"";
            problems.refuse(&track_key, "canary", "the service has no canary", remedy)
        }
        Some(text) => word(problems, &track_key, text, &words),
    };
    Some(RuleSpec { condition: condition?, track: track? })
}

fn condition(problems: &mut Problems<'_>, key: &Key, raw: &RawRule) -> Option<Condition> {
    let written = [("header", &raw.header), ("cookie", &raw.cookie), ("network", &raw.network)];
    let written: Vec<_> = written.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?))).collect();
    let value_key = key.field("value");
    match (&written[..], raw.value.as_deref()) {
        ([], _) => problems.miss(key, "the rule has no condition", "write one of header, cookie and network"),
        ([("network", text)], None) => network(problems, &key.field("network"), text).map(Condition::Network),
        ([("network", _)], Some(value)) => {
            problems.refuse(&value_key, value, "a network has no value", "remove it, or write header or cookie")
        }
        ([_], None) => problems.miss(&value_key, "the value is missing", "write the value that the rule is about"),
        ([("cookie", name)], Some(value)) => {
            let name = token(problems, &key.field("cookie"), name);
            let value = cookie_value(problems, &value_key, value);
            Some(Condition::Cookie { name: name?.into(), value: value?.into() })
        }
        ([(_, name)], Some(value)) => {
            let header_key = key.field("header");
            let name = match header(problems, &header_key, name) {
                Some(None) => problems.miss(&header_key, "the name is empty", "write a name such as \"x-team\""),
                name => name.flatten(),
            };
            let value = field_value(problems, &value_key, value);
            Some(Condition::Header { name: name?, value: value? })
        }
        (several, _) => {
            let names = several.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            problems.refuse(key, names, "a rule has one condition", "keep one of them; write a rule for each")
        }
    }
}

fn cookie_value<'t>(problems: &mut Problems<'_>, key: &Key, text: &'t str) -> Option<&'t str> {
    if is_cookie_value(text) {
        return Some(text);
    }
    let remedy = "write visible ASCII characters, without spaces, quotes, backslashes, commas and semicolons";
    problems.refuse(key, text, "not a value of a cookie", remedy)
}

/// Spaces around a value are not a part of it, so that none with them would ever be seen.
fn field_value(problems: &mut Problems<'_>, key: &Key, text: &str) -> Option<HeaderValue> {
    let value = HeaderValue::from_str(text).ok().filter(|_| text.trim() == text);
    value.or_else(|| {
        let remedy = "write it without control characters, and without spaces around it";
        problems.refuse(key, text, "not a value of a header field", remedy)
    })
}
