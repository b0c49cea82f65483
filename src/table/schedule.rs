//! The smooth order in which weighted members take turns.

/// A precomputed order of members by weight. Tickets index it, so that the split is exact: in every run of
/// [`Schedule::period`] consecutive tickets, wherever it begins, each member has exactly its share.
///
/// The order is that of earliest virtual deadline: the turn `k` of a member with weight `w` falls at `(k + 1/2) / w` of
/// the period, which spreads the turns of each member evenly. Weights are divided by their greatest common divisor
/// first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    turns: Box<[u16]>,
}

impl Schedule {
    /// Longest period that is built. The configuration refuses weights that need more.
    pub const MAX_PERIOD: u32 = 65_536;

    /// `weights[i]` is the share of member `i`; a member of weight 0 gets no turn. `None` when all are 0, when there
    /// are more than 65 536 members, or when the period would be longer than [`Schedule::MAX_PERIOD`].
    pub fn new(weights: &[u32]) -> Option<Self> {
        let divisor = weights.iter().copied().fold(0, greatest_common_divisor);
        let period = weights.iter().map(|weight| u64::from(*weight)).sum::<u64>().checked_div(u64::from(divisor))?;
        if period > u64::from(Self::MAX_PERIOD) {
            return None;
        }
        let mut turns = Vec::with_capacity(usize::try_from(period).ok()?);
        for (member, weight) in weights.iter().enumerate() {
            let member = u16::try_from(member).ok()?;
            let weight = u64::from(weight / divisor);
            turns.extend((0..weight).map(|turn| (2 * turn + 1, weight, member)));
        }
        turns.sort_by(|(a, a_weight, a_member), (b, b_weight, b_member)| {
            (a * b_weight).cmp(&(b * a_weight)).then(a_member.cmp(b_member))
        });
        Some(Self { turns: turns.into_iter().map(|(.., member)| member).collect() })
    }

    /// The member whose turn `ticket` is.
    #[inline]
    pub fn pick(&self, ticket: u64) -> usize {
        usize::from(self.turns[(ticket % self.turns.len() as u64) as usize])
    }

    /// Number of tickets after which the order repeats, at least 1.
    pub fn period(&self) -> usize {
        self.turns.len()
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_to_one_sends_each_third_ticket_to_the_canary() {
        let schedule = Schedule::new(&[2, 1]).unwrap();
        let turns: Vec<_> = (0..6).map(|ticket| schedule.pick(ticket)).collect();
        assert_eq!(turns, [0, 1, 0, 0, 1, 0]);
    }

    #[test]
    fn weights_are_reduced_before_they_are_spread() {
        assert_eq!(Schedule::new(&[1000, 500]), Schedule::new(&[2, 1]));
    }

    #[test]
    fn a_member_without_weight_gets_no_turn() {
        let schedule = Schedule::new(&[0, 3]).unwrap();
        assert!((0..9).all(|ticket| schedule.pick(ticket) == 1));
        assert!(Schedule::new(&[0, 0]).is_none() && Schedule::new(&[]).is_none());
    }

    #[test]
    fn a_period_that_is_too_long_is_refused() {
        let primes = [997; 64].into_iter().chain([991]).collect::<Vec<_>>();
        assert!(Schedule::new(&primes).is_some());
        assert!(Schedule::new(&[65_535, 2]).is_none());
    }

    proptest! {
        #[test]
        fn every_window_of_one_period_has_exactly_the_configured_split(
            weights in prop::collection::vec(0u32..40, 1..6),
            start in 0u64..1_000_000,
        ) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let schedule = Schedule::new(&weights).unwrap();
            let total: u32 = weights.iter().sum();
            let mut counts = vec![0; weights.len()];
            for ticket in start..start + u64::from(total) {
                counts[schedule.pick(ticket)] += 1;
            }
            prop_assert_eq!(counts, weights);
        }

        #[test]
        fn no_prefix_strays_from_the_share_by_more_than_one_turn(stable in 1u32..60, canary in 1u32..60) {
            let schedule = Schedule::new(&[stable, canary]).unwrap();
            let share = f64::from(canary) / f64::from(stable + canary);
            let mut seen = 0;
            for ticket in 0..schedule.period() as u64 {
                seen += u32::from(schedule.pick(ticket) == 1);
                let due = share * (ticket + 1) as f64;
                prop_assert!((f64::from(seen) - due).abs() <= 1.0);
            }
        }
    }
}
