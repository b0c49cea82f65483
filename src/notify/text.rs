//! What a mail says.

use std::fmt::Write;

use crate::model::{Notice, NoticeKind, Severity};

/// Matters that one mail tells in full, and topics in its header; of the rest there is the number.
const MOST: usize = 50;
const MOST_TOPICS: usize = 10;
/// Characters of a subject.
const SUBJECT: usize = 200;

/// A mail, without who it is from and to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) subject: String,
    pub(super) body: String,
    /// For `X-Coalmine-Topic`.
    pub(super) topics: String,
    /// For `Message-ID`: the same for the same notices.
    pub(super) id: String,
}

/// One matter: how it began, or how it ended, or both.
struct Matter<'a> {
    first: &'a Notice,
    end: Option<&'a Notice>,
}

/// Puts notices into one mail, of which there is at least one. What began and ended among them is one matter. `lost`:
/// how many more there was no room for. `id` is of the first.
pub(super) fn compose(notices: &[&Notice], lost: usize, id: &str) -> Letter {
    let matters = matters(notices);
    let mut topics: Vec<&str> = matters.iter().map(|matter| &*matter.first.topic).collect();
    topics.dedup();
    topics.truncate(MOST_TOPICS);
    let mut body = String::new();
    for matter in matters.iter().take(MOST) {
        matter.write(&mut body);
    }
    let more = matters.len().saturating_sub(MOST) + lost;
    if more > 0 {
        // Writing to a `String` cannot fail.
        let _ = writeln!(body, "and {more} more");
    }
    let count = matters.len() + lost;
    let others = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
    // The worst of what goes on, or else of what has ended; of several the first.
    let worst = matters.iter().rev().max_by_key(|matter| (matter.goes_on(), matter.first.severity));
    let headline = worst.map(Matter::headline).unwrap_or_default();
    let subject = line(&format!("[coalmine] {headline}")).chars().take(SUBJECT).collect::<String>() + &others;
    Letter { subject, body, topics: line(&topics.join(", ")), id: format!("<{id}.{}@coalmine>", notices.len()) }
}

fn matters<'a>(notices: &[&'a Notice]) -> Vec<Matter<'a>> {
    let mut matters: Vec<Matter<'a>> = Vec::new();
    for notice in notices.iter().copied() {
        let begun = matters.iter_mut().rev().find(|matter| matter.first.topic == notice.topic);
        match begun.filter(|begun| notice.kind == NoticeKind::Recovered && begun.goes_on()) {
            Some(begun) => begun.end = Some(notice),
            None => matters.push(Matter { first: notice, end: None }),
        }
    }
    matters
}

impl Matter<'_> {
    fn goes_on(&self) -> bool {
        self.first.kind == NoticeKind::Firing && self.end.is_none()
    }

    fn word(&self) -> &'static str {
        match (self.first.kind, self.end) {
            (NoticeKind::Firing, None) => "FIRING",
            (NoticeKind::Firing, Some(_)) => "FIRED AND RECOVERED",
            (NoticeKind::Recovered, _) => "RECOVERED",
            (NoticeKind::Info, _) => "INFO",
        }
    }

    fn headline(&self) -> String {
        let about = self.first.service.as_ref().map_or(&*self.first.source, |service| service.as_str());
        format!("{} {about}: {}", self.word(), self.first.summary)
    }

    fn write(&self, body: &mut String) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(body, "{}", line(&self.headline()));
        for notice in [Some(self.first), self.end].into_iter().flatten() {
            let time = humantime::format_rfc3339_seconds(notice.at);
            let _ = writeln!(body, "  {time}  {} by {}", line(&notice.event), line(&notice.source));
            if notice.severity == Severity::Critical && notice.kind == NoticeKind::Firing {
                let _ = writeln!(body, "  severity: critical");
            }
            for (name, value) in &notice.details {
                let _ = writeln!(body, "  {}: {}", line(name), line(value));
            }
        }
        body.push('\n');
    }
}

/// The text on one line: nobody writes a header of ours by a name of theirs.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::entry::specimen;

    #[test]
    fn one_notice_has_its_summary_as_subject() {
        let summary = "cpu 83 % above 45 % on web2".into();
        let notice = Notice { summary, ..specimen("rule:web2:cpu", NoticeKind::Firing) };
        let letter = compose(&[&notice], 0, "7");
        assert_eq!(letter.subject, "[coalmine] FIRING web: cpu 83 % above 45 % on web2");
        assert_eq!((letter.topics.as_str(), letter.id.as_str()), ("rule:web2:cpu", "<7.1@coalmine>"));
        let body =
            "FIRING web: cpu 83 % above 45 % on web2\n  1970-01-01T00:00:00Z  ejected by lb1\n  reason: live\n\n";
        assert_eq!(letter.body, body);
    }

    #[test]
    fn what_began_and_ended_is_one_matter_and_what_goes_on_is_the_subject() {
        let of = |topic: &str, kind| specimen(topic, kind);
        let (a, a_end) = (of("a", NoticeKind::Firing), of("a", NoticeKind::Recovered));
        let (b, c_end) = (of("b", NoticeKind::Firing), of("c", NoticeKind::Recovered));
        let letter = compose(&[&a, &b, &a_end, &c_end], 2, "7");
        assert_eq!(letter.subject, "[coalmine] FIRING web: b is out (and 4 more)");
        assert!(letter.body.starts_with("FIRED AND RECOVERED web: a is out\n"), "{}", letter.body);
        assert_eq!(letter.body.matches("a is out").count(), 1);
        assert!(letter.body.contains("\nRECOVERED web: c is out\n") && letter.body.ends_with("\nand 2 more\n"));
        assert_eq!(compose(&[&a, &a_end], 0, "7").subject, "[coalmine] FIRED AND RECOVERED web: a is out");
        assert_eq!(compose(&[&a, &a_end, &a], 0, "7").body.matches("a is out").count(), 2);
    }

    #[test]
    fn a_mail_is_bounded_and_keeps_strangers_out_of_its_headers() {
        let notices: Vec<_> = (0..100).map(|at| specimen(&format!("t{at}"), NoticeKind::Firing)).collect();
        let letter = compose(&notices.iter().collect::<Vec<_>>(), 0, "7");
        assert!(letter.body.ends_with("and 50 more\n"), "{}", letter.body);
        assert_eq!(letter.topics.split(", ").count(), MOST_TOPICS);
        let evil = Notice { summary: "x\r\nBcc: me".into(), ..specimen("a\nb", NoticeKind::Firing) };
        let letter = compose(&[&evil], 0, "7");
        assert!(!letter.subject.contains(['\r', '\n']) && !letter.topics.contains('\n'));
    }
}
