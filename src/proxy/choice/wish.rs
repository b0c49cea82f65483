//! Requests that name their track, or that a rule sends to one.

use super::{Visitor, cookies};
use crate::model::{Condition, RuleSpec, TesterSpec, Track};

/// The track that a tester asks for; the field counts before the cookie.
pub(super) fn of_tester(tester: &TesterSpec, visitor: &Visitor<'_>) -> Option<Track> {
    let fields = tester.header.iter().flat_map(|name| visitor.headers.get_all(name));
    let cookies = tester.cookie.iter().flat_map(|name| cookies::named(visitor.headers, name));
    fields.map(|value| value.as_bytes()).chain(cookies).find_map(|value| wish(tester, value))
}

/// The track of the first rule that is about this request.
pub(super) fn of_rules(rules: &[RuleSpec], visitor: &Visitor<'_>) -> Option<Track> {
    rules.iter().find(|rule| is_about(&rule.condition, visitor)).map(|rule| rule.track)
}

fn wish(tester: &TesterSpec, value: &[u8]) -> Option<Track> {
    let (word, secret) = match value.iter().position(|b| *b == b':') {
        Some(colon) => (&value[..colon], Some(&value[colon + 1..])),
        None => (value, None),
    };
    let allowed = match (&tester.secret, secret) {
        (Some(secret), Some(given)) => secret.matches(given),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    match word {
        b"always" if allowed => Some(Track::Canary),
        b"never" if allowed => Some(Track::Stable),
        _ => None,
    }
}

fn is_about(condition: &Condition, visitor: &Visitor<'_>) -> bool {
    match condition {
        Condition::Header { name, value } => visitor.headers.get_all(name).iter().any(|given| given == value),
        Condition::Cookie { name, value } => {
            cookies::named(visitor.headers, name).any(|given| given == value.as_bytes())
        }
        Condition::Network(network) => network.contains(&visitor.address()),
    }
}
