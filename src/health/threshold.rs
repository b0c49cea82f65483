//! When probes take a backend down and bring it up: `fall` failures or `rise` passes in a row.

use std::num::NonZeroU32;

use crate::model::Health;

/// The health of one backend by its probes so far.
///
/// It starts [`Health::Unknown`]. The first pass makes it up, whatever `rise` is, since there is no fall to recover
/// from; `fall` failures make it down as they would from up.
#[derive(Clone, Debug)]
pub struct Threshold {
    fall: NonZeroU32,
    rise: NonZeroU32,
    health: Health,
    /// Probes in a row that contradict `health`; always fewer than it takes to change it.
    contradictions: u32,
}

impl Threshold {
    pub fn new(fall: NonZeroU32, rise: NonZeroU32) -> Self {
        Self { fall, rise, health: Health::Unknown, contradictions: 0 }
    }

    /// Takes one finished probe into account and returns the health after it.
    pub fn observe(&mut self, passed: bool) -> Health {
        let (after, needed) = match (self.health, passed) {
            (Health::Up, true) | (Health::Down, false) => {
                self.contradictions = 0;
                return self.health;
            }
            (Health::Unknown, true) => (Health::Up, 1),
            (Health::Down, true) => (Health::Up, self.rise.get()),
            (Health::Unknown | Health::Up, false) => (Health::Down, self.fall.get()),
        };
        self.contradictions += 1;
        if self.contradictions >= needed {
            self.health = after;
            self.contradictions = 0;
        }
        self.health
    }

    /// Whether the next probe should come soon: nothing is known yet, or the last probe contradicts the health.
    pub fn in_doubt(&self) -> bool {
        self.health == Health::Unknown || self.contradictions > 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn threshold(fall: u32, rise: u32) -> Threshold {
        Threshold::new(NonZeroU32::new(fall).unwrap(), NonZeroU32::new(rise).unwrap())
    }

    /// Health and doubt after each probe: `+` a pass, `-` a failure; `?` unknown, `U` up, `D` down, `!` in doubt.
    fn trace(fall: u32, rise: u32, probes: &str) -> String {
        let mut threshold = threshold(fall, rise);
        let steps = probes.chars().map(|probe| {
            let health = match threshold.observe(probe == '+') {
                Health::Unknown => '?',
                Health::Up => 'U',
                Health::Down => 'D',
            };
            format!("{health}{}", if threshold.in_doubt() { "!" } else { "" })
        });
        steps.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn follows_the_specification() {
        let table = [
            // What it shows, fall, rise, probes, health after each.
            ("the first pass brings up, whatever rise is", 3, 2, "+", "U"),
            ("failures before the first pass count towards fall", 3, 2, "---", "?! ?! D"),
            ("one pass after first failures brings up", 3, 2, "--+", "?! ?! U"),
            ("with fall 1 the first failure brings down", 1, 2, "-", "D"),
            ("a backend that fell before its first pass has to rise", 1, 2, "-++", "D D! U"),
            ("fall failures in a row bring down", 3, 2, "+---", "U U! U! D"),
            ("a pass between failures starts the count again", 3, 2, "+--+--", "U U! U! U U! U!"),
            ("rise passes in a row bring up", 1, 3, "+-+++", "U D D! D! U"),
            ("a failure between passes starts the count again", 1, 2, "+-+-+", "U D D! D D!"),
            ("with fall 1 and rise 1 every probe decides", 1, 1, "+-+-", "U D U D"),
        ];
        for (what, fall, rise, probes, expected) in table {
            assert_eq!(trace(fall, rise, probes), expected, "{what}");
        }
    }

    #[test]
    fn an_unprobed_backend_is_in_doubt() {
        assert!(threshold(1, 1).in_doubt());
    }

    proptest! {
        #[test]
        fn health_changes_only_by_a_full_row(
            fall in 1..5_u32,
            rise in 1..5_u32,
            probes in proptest::collection::vec(any::<bool>(), 0..60),
        ) {
            let mut threshold = threshold(fall, rise);
            let mut before = Health::Unknown;
            for end in 1..=probes.len() {
                let passed = probes[end - 1];
                let row = probes[..end].iter().rev().take_while(|probe| **probe == passed).count();
                let row = u32::try_from(row).unwrap();
                let after = threshold.observe(passed);
                let expected = match (before, passed) {
                    (Health::Unknown, true) => Health::Up,
                    (Health::Down, true) if row >= rise => Health::Up,
                    (Health::Unknown | Health::Up, false) if row >= fall => Health::Down,
                    (unchanged, _) => unchanged,
                };
                prop_assert_eq!(after, expected);
                let contradicted = passed != (after == Health::Up);
                prop_assert_eq!(threshold.in_doubt(), after == Health::Unknown || contradicted);
                before = after;
            }
        }
    }
}
