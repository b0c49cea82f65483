//! `[service.alert]`: which keys stop a canary.

use super::redis::is_key;
use crate::bus;
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::RawAlert;
use crate::model::{AlertKeys, CompatKey, ServiceName};

/// `prefix` is the store's, `None` without one.
pub(super) fn alert(
    problems: &mut Problems<'_>,
    key: &Key,
    raw: &RawAlert,
    name: Option<&ServiceName>,
    prefix: Option<&str>,
) -> Option<AlertKeys> {
    let own = match &raw.key {
        Some(text) if !is_key(text) => {
            let why = "empty, or has a space or a control character";
            problems.refuse(&key.field("key"), text, why, "write a key such as \"alert:checkbox\"")
        }
        Some(text) if bus::is_for_marks(text) => {
            let why = "drain:, weight:, eject:, lease: and affinity: are for what operators and balancers say";
            problems.refuse(&key.field("key"), text, why, "write a key such as \"alert:checkbox\"")
        }
        Some(text) => Some(text.clone()),
        None => name.map(|name| format!("alert:{name}")),
    };
    let compat = old_names(problems, &key.field("compat"), &raw.compat, prefix);
    Some(AlertKeys { key: own?, compat: compat? })
}

/// Names that older systems know an alert by.
pub(super) fn old_names(
    problems: &mut Problems<'_>,
    compat_key: &Key,
    texts: &[String],
    prefix: Option<&str>,
) -> Option<Vec<CompatKey>> {
    if prefix.is_none() && !texts.is_empty() {
        let remedy = "add a [redis] table, or remove the old names";
        problems.refuse::<()>(compat_key, texts.join(", "), "old names are watched in Redis only", remedy);
    }
    let mut compat: Vec<CompatKey> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let key = compat_key.index(index);
        let Some(parsed) = old_name(problems, &key, text, prefix) else { continue };
        if compat.iter().any(|other| other.key() == parsed.key()) {
            problems.refuse::<()>(&key, text, "the same key is named twice", "keep the one of the key's type");
        } else {
            compat.push(parsed);
        }
    }
    let complete = compat.len() == texts.len() && (prefix.is_some() || compat.is_empty());
    complete.then_some(compat)
}

fn old_name(problems: &mut Problems<'_>, key: &Key, text: &str, prefix: Option<&str>) -> Option<CompatKey> {
    let parsed = match text.split_once(':') {
        Some(("list", name)) if is_key(name) => CompatKey::List(name.to_owned()),
        Some(("string", name)) if is_key(name) => CompatKey::Text(name.to_owned()),
        _ => {
            let remedy = "write \"list:KEY\" or \"string:KEY\", by the type of the key";
            return problems.refuse(key, text, "not an old name", remedy);
        }
    };
    match prefix {
        Some(prefix) if !prefix.is_empty() && parsed.key().starts_with(prefix) => {
            let remedy = "write the part after the prefix into alert.key, or change redis.prefix";
            problems.refuse(key, text, format!("begins with redis.prefix, `{prefix}`"), remedy)
        }
        _ => Some(parsed),
    }
}
