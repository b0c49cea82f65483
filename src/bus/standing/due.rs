//! Which words have to be written, and when. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Standing, StandingKey, Word};

/// How long after a refusal a word is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What is wanted, and what of it the server has.
#[derive(Debug, Default)]
pub(super) struct Due {
    wanted: Standing,
    written: BTreeMap<StandingKey, Written>,
}

#[derive(Debug)]
struct Written {
    /// Absent: the server refused the last one.
    word: Option<Word>,
    /// When to write again, whatever was written; absent: not again.
    again: Option<Instant>,
}

impl Due {
    /// Nothing is known of what the server has.
    pub(super) fn forget_all(&mut self) {
        self.written.clear();
    }

    pub(super) fn want(&mut self, wanted: &Standing) {
        if self.wanted != *wanted {
            self.wanted.clone_from(wanted);
        }
    }

    /// A word that has to be written now.
    pub(super) fn first(&self, now: Instant) -> Option<(StandingKey, Word)> {
        let due =
            |(key, word): &(&StandingKey, &Word)| self.when(key, word).is_some_and(|at| at.is_none_or(|at| at <= now));
        self.wanted.iter().find(due).map(|(key, word)| (key.clone(), word.clone()))
    }

    /// When something will have to be written that does not have to now.
    pub(super) fn next(&self) -> Option<Instant> {
        self.wanted.iter().filter_map(|(key, word)| self.when(key, word).flatten()).min()
    }

    /// The word was written by a command that was begun at `begun`, from which its life counts at the earliest.
    pub(super) fn written(&mut self, key: StandingKey, word: &Word, begun: Instant) {
        let again = match word {
            Word::Raised { renew, .. } => begun.checked_add(*renew),
            Word::Clear => None,
        };
        self.written.insert(key, Written { word: Some(word.clone()), again });
    }

    /// The server will not. Whether it took the one before.
    pub(super) fn refused(&mut self, key: StandingKey, begun: Instant) -> bool {
        let before = self.written.insert(key, Written { word: None, again: begun.checked_add(RETRY) });
        before.is_none_or(|before| before.word.is_some())
    }

    /// `None`: never; `Some(None)`: at once.
    fn when(&self, key: &StandingKey, word: &Word) -> Option<Option<Instant>> {
        match self.written.get(key) {
            None => Some(None),
            Some(Written { word: Some(written), .. }) if written != word => Some(None),
            Some(Written { again, .. }) => again.map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THIRD: Duration = Duration::from_secs(20);

    fn key(name: &str) -> StandingKey {
        StandingKey::Own(name.to_owned())
    }

    fn raised(text: &str) -> Word {
        Word::Raised { text: text.into(), lifetime: Some(THIRD * 3), renew: THIRD }
    }

    fn wanting(words: &[(&str, Word)]) -> Due {
        let mut due = Due::default();
        due.want(&words.iter().map(|(name, word)| (key(name), word.clone())).collect());
        due
    }

    #[test]
    fn a_word_is_due_at_once_and_again_well_before_its_end() {
        let (mut due, now) = (wanting(&[("a", raised("x"))]), Instant::now());
        assert_eq!(due.first(now), Some((key("a"), raised("x"))));
        due.written(key("a"), &raised("x"), now);
        assert_eq!((due.first(now), due.next()), (None, Some(now + THIRD)));
        assert!(due.first(now + THIRD).is_some());
        due.forget_all();
        assert!(due.first(now).is_some(), "another server may know nothing");
    }

    #[test]
    fn a_changed_word_is_due_at_once_and_a_clear_one_only_once() {
        let (mut due, now) = (wanting(&[("a", raised("x"))]), Instant::now());
        due.written(key("a"), &raised("x"), now);
        due.want(&Standing::from([(key("a"), raised("y"))]));
        assert_eq!(due.first(now), Some((key("a"), raised("y"))));
        due.want(&Standing::from([(key("a"), Word::Clear)]));
        assert_eq!(due.first(now), Some((key("a"), Word::Clear)));
        due.written(key("a"), &Word::Clear, now);
        assert_eq!((due.first(now + THIRD), due.next()), (None, None));
    }

    #[test]
    fn a_refused_word_is_tried_again_and_said_to_be_refused_once() {
        let (mut due, now) = (wanting(&[("a", raised("x"))]), Instant::now());
        assert!(due.refused(key("a"), now));
        assert_eq!((due.first(now), due.next()), (None, Some(now + RETRY)));
        assert!(due.first(now + RETRY).is_some() && !due.refused(key("a"), now + RETRY));
    }
}
