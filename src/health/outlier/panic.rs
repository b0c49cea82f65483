//! When every member of a service fails, so that what they share is to blame and none of them.

use super::Counts;
use crate::model::Track;

/// What a member in rotation has shown lately.
#[derive(Clone, Copy, Debug)]
pub struct Showing {
    pub track: Track,
    /// What ended within the last moments.
    pub recent: Counts,
    /// Failures since the last success.
    pub in_a_row: u32,
}

/// Whether the last word of each member that got traffic lately is a failure, and stable is among them. A row is looked
/// at and not the counts: at a high rate the last moments still hold successes from before a shared fault. One of
/// several that fails while the others got nothing, as in a service with few requests, shows nothing that they share.
pub fn all_fail(members: &[Showing]) -> bool {
    let stable = members.iter().any(|member| member.track == Track::Stable && member.recent.failed > 0);
    let mut asked = members.iter().filter(|member| member.recent.total() > 0);
    let company = asked.clone().count() > 1 || members.len() == 1;
    stable && company && asked.all(|member| member.in_a_row > 0)
}

/// Whether some member that got traffic lately passed at least as often as it failed.
pub fn mostly_succeeds(members: &[Showing]) -> bool {
    members.iter().any(|member| member.recent.passed > 0 && member.recent.passed >= member.recent.failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn showing(track: Track, passed: u64, failed: u64, in_a_row: u32) -> Showing {
        Showing { track, recent: Counts { passed, failed }, in_a_row }
    }

    #[test]
    fn all_fail_only_when_each_that_got_traffic_does_and_stable_among_them() {
        let (stable, canary) = (Track::Stable, Track::Canary);
        let table = [
            ("nobody got traffic", vec![showing(stable, 0, 0, 0), showing(canary, 0, 0, 0)], false),
            ("the canary alone fails", vec![showing(stable, 9, 0, 0), showing(canary, 0, 5, 5)], false),
            (
                "the canary fails and stable got nothing",
                vec![showing(stable, 0, 0, 3), showing(canary, 0, 5, 5)],
                false,
            ),
            ("both fail", vec![showing(stable, 0, 1, 1), showing(canary, 0, 5, 5)], true),
            ("both fail after successes", vec![showing(stable, 90, 1, 1), showing(canary, 40, 5, 5)], true),
            ("one of stable passes", vec![showing(stable, 0, 4, 4), showing(stable, 1, 0, 0)], false),
            ("stable fails and the canary passes", vec![showing(stable, 0, 4, 4), showing(canary, 1, 0, 0)], false),
            (
                "one of stable fails and the other got nothing",
                vec![showing(stable, 0, 4, 4), showing(stable, 0, 0, 0)],
                false,
            ),
            (
                "two of stable fail and the third got nothing",
                vec![showing(stable, 0, 1, 1), showing(stable, 0, 1, 1), showing(stable, 0, 0, 0)],
                true,
            ),
            ("the only one fails", vec![showing(stable, 0, 1, 1)], true),
        ];
        for (what, members, expected) in table {
            assert_eq!(all_fail(&members), expected, "{what}");
        }
    }

    #[test]
    fn one_member_that_mostly_succeeds_is_a_recovery() {
        let stable = |passed, failed| showing(Track::Stable, passed, failed, 0);
        assert!(!mostly_succeeds(&[stable(0, 0), stable(1, 9)]));
        assert!(mostly_succeeds(&[stable(0, 9), stable(5, 5)]));
    }
}
