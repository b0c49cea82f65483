//! One notice on its way to one place.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::model::{Notice, Way};

/// Characters of a summary, and of each name and value of the details; more is cut.
const LONGEST_TEXT: usize = 1000;
const MOST_DETAILS: usize = 32;

/// A notice that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Stays the same over all attempts. Letters, digits and `-`.
    pub(super) id: String,
    pub(super) to: Place,
    /// When it was taken, in milliseconds since 1970.
    pub(super) at: u64,
    pub(super) notice: Notice,
}

/// Where a notice goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    Mail,
    /// The URL.
    Webhook(String),
}

impl Place {
    pub(super) fn way(&self) -> Way {
        match self {
            Self::Mail => Way::Mail,
            Self::Webhook(_) => Way::Webhook,
        }
    }

    /// For the log. The path of a URL may be a secret.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Mail => Way::Mail.as_str(),
            Self::Webhook(url) => {
                let end = url.match_indices(['/', '?']).nth(2).map_or(url.len(), |(at, _)| at);
                &url[..end]
            }
        }
    }
}

/// An id that no other notice has.
pub(super) fn new_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

pub(super) fn since_1970(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// The notice with every text cut to a length that can be kept and sent.
pub(super) fn bounded(mut notice: Notice) -> Notice {
    let cut = |text: &mut Arc<str>| {
        if let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT) {
            *text = text[..end].into();
        }
    };
    notice.details.truncate(MOST_DETAILS);
    let Notice { topic, source, event, summary, details, .. } = &mut notice;
    [topic, source, event, summary].into_iter().for_each(cut);
    details.iter_mut().for_each(|(name, value)| [name, value].into_iter().for_each(cut));
    notice
}

/// A notice of 1970.
#[cfg(test)]
pub(super) fn specimen(topic: &str, kind: crate::model::NoticeKind) -> Notice {
    Notice {
        topic: topic.into(),
        kind,
        severity: crate::model::Severity::Warning,
        source: "lb1".into(),
        service: crate::model::ServiceName::new("web"),
        event: "ejected".into(),
        summary: format!("{topic} is out").into(),
        details: vec![("reason".into(), "live".into())],
        at: UNIX_EPOCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NoticeKind;

    #[test]
    fn the_log_names_no_path() {
        let name = |url: &str| Place::Webhook(url.to_owned()).name().to_owned();
        assert_eq!(name("https://hooks.test:8/T0/secret"), "https://hooks.test:8");
        assert_eq!(name("https://hooks.test?token=x"), "https://hooks.test");
        assert_eq!(name("http://a"), "http://a");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text: Arc<str> = "ä".repeat(2000).into();
        let details = vec![(text.clone(), text.clone()); 100];
        let notice = bounded(Notice { summary: text, details, ..specimen("a", NoticeKind::Info) });
        assert_eq!((notice.summary.chars().count(), notice.details.len()), (LONGEST_TEXT, MOST_DETAILS));
        assert_eq!(notice.details[0].1, notice.summary);
    }
}
