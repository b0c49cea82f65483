//! Which breaches stand, and what has to stand in the store for them. Pure.
//!
//! All rules of a service have one key: `alert:<service>:<host>`. It stands while any of them is broken, and is
//! rewritten, never removed, when one of several recovers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::alert::{self, Breach};
use crate::bus::{Standing, StandingKey, Word};
use crate::model::{CompatKey, OnLost, ServiceName, WatchAlert, WatchRule};

/// Renewals within the life of an alert, at least.
const RENEWALS: u32 = 3;
/// From one renewal to the next, at most: an alert that somebody else removed is back by then.
const RENEWAL: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Ledger {
    host: String,
    /// The breaches of rules that raise alerts, by the place of the rule.
    breaches: BTreeMap<usize, Breach>,
    /// Old names that were raised here: the others are none of this agent's business.
    raised: BTreeSet<CompatKey>,
}

impl Ledger {
    pub(super) fn new(host: String) -> Self {
        Self { host, breaches: BTreeMap::new(), raised: BTreeSet::new() }
    }

    /// Every own key that the rules can raise.
    pub(super) fn keys(&self, rules: &[WatchRule]) -> Vec<String> {
        let services: BTreeSet<_> = rules.iter().filter_map(|rule| Some(alerting(rule)?.0)).collect();
        services.into_iter().map(|service| self.key(service)).collect()
    }

    /// A rule was broken, or was so before.
    pub(super) fn broken(&mut self, index: usize, rule: &WatchRule, breach: Breach) {
        if let Some((_, alert)) = alerting(rule) {
            self.breaches.insert(index, breach);
            self.raised.extend(alert.compat.iter().cloned());
        }
    }

    pub(super) fn recovered(&mut self, index: usize) {
        self.breaches.remove(&index);
    }

    /// The rules whose breach an alert of an earlier life tells, which was found under `key`.
    pub(super) fn adopted(&self, rules: &[WatchRule], key: &str, text: &str) -> Vec<(usize, Breach)> {
        let own = |rule: &WatchRule| alerting(rule).is_some_and(|(service, _)| self.key(service) == key);
        let told = alert::decode(text).into_iter();
        let found = told.filter_map(|(name, breach)| {
            let index = rules.iter().position(|rule| *rule.name == name && own(rule))?;
            Some((index, breach))
        });
        found.collect()
    }

    /// What has to stand.
    pub(super) fn standing(&self, rules: &[WatchRule]) -> Standing {
        let alerts: Vec<_> = rules
            .iter()
            .enumerate()
            .filter_map(|(index, rule)| alerting(rule).map(|(service, alert)| (index, rule, service, alert)))
            .collect();
        let mut standing = Standing::new();
        for key in self.keys(rules) {
            let its = alerts.iter().filter(|(_, _, service, _)| self.key(service) == key);
            standing.insert(
                StandingKey::Own(key.clone()),
                self.word(its.map(|(index, rule, _, alert)| (*index, *rule, *alert))),
            );
        }
        for old in &self.raised {
            let its = alerts.iter().filter(|(_, _, _, alert)| alert.compat.contains(old));
            standing.insert(
                StandingKey::Old(old.clone()),
                self.word(its.map(|(index, rule, _, alert)| (*index, *rule, *alert))),
            );
        }
        standing
    }

    /// The word of these rules together: it lives as long as the longest of those that are broken.
    fn word<'a>(&self, rules: impl Iterator<Item = (usize, &'a WatchRule, &'a WatchAlert)>) -> Word {
        let broken: Vec<_> =
            rules.filter_map(|(index, rule, alert)| Some((rule, alert, *self.breaches.get(&index)?))).collect();
        let breaches: Vec<_> = broken.iter().map(|(rule, _, breach)| (*rule, *breach)).collect();
        let alerts = || broken.iter().map(|(_, alert, _)| *alert);
        let (Some(text), Some(ttl)) = (alert::encode(&self.host, &breaches), alerts().map(|alert| alert.ttl).max())
        else {
            return Word::Clear;
        };
        let ends = alerts().all(|alert| alert.on_lost == OnLost::Clear);
        Word::Raised { text: text.into(), lifetime: ends.then_some(ttl), renew: (ttl / RENEWALS).min(RENEWAL) }
    }

    fn key(&self, service: &ServiceName) -> String {
        format!("alert:{service}:{}", self.host)
    }
}

fn alerting(rule: &WatchRule) -> Option<(&ServiceName, &WatchAlert)> {
    Some((rule.actions.service.as_ref()?, rule.actions.alert.as_ref()?))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::monitor::specimen::{rule, rule_of};

    fn breach(value: f64) -> Breach {
        Breach { value, since: SystemTime::UNIX_EPOCH + Duration::from_secs(60) }
    }

    fn own(key: &str) -> StandingKey {
        StandingKey::Own(key.to_owned())
    }

    #[test]
    fn two_rules_of_a_service_are_one_key_that_one_recovery_does_not_remove() {
        let rules = [rule("cpu"), rule("memory"), rule_of("other", "itrust", OnLost::Clear, &[])];
        let mut ledger = Ledger::new("web2".to_owned());
        assert_eq!(ledger.keys(&rules), ["alert:checkbox:web2", "alert:itrust:web2"]);
        ledger.broken(0, &rules[0], breach(83.0));
        ledger.broken(1, &rules[1], breach(99.0));
        let key = own("alert:checkbox:web2");
        let text = |ledger: &Ledger| match &ledger.standing(&rules)[&key] {
            Word::Raised { text, lifetime, renew } => {
                assert_eq!((*lifetime, *renew), (Some(Duration::from_secs(60)), Duration::from_secs(10)));
                text.to_string()
            }
            Word::Clear => "clear".to_owned(),
        };
        assert!(text(&ledger).contains("83 %") && text(&ledger).contains("99 %"));
        ledger.recovered(0);
        assert!(!text(&ledger).contains("83 %") && text(&ledger).contains("99 %"));
        ledger.recovered(1);
        assert_eq!(text(&ledger), "clear");
        assert_eq!(ledger.standing(&rules)[&own("alert:itrust:web2")], Word::Clear);
    }

    #[test]
    fn an_alert_lives_as_long_as_the_longest_and_without_end_if_one_is_kept() {
        let rules =
            [rule("a"), rule_of("b", "checkbox", OnLost::Clear, &[]), rule_of("c", "checkbox", OnLost::Keep, &[])];
        let mut ledger = Ledger::new("web2".to_owned());
        let mut lifetime = |index: usize| {
            ledger.broken(index, &rules[index], breach(50.0));
            match &ledger.standing(&rules)[&own("alert:checkbox:web2")] {
                Word::Raised { lifetime, .. } => lifetime.map(|it| it.as_secs()),
                Word::Clear => panic!("nothing stands"),
            }
        };
        assert_eq!([lifetime(0), lifetime(1), lifetime(2)], [Some(60), Some(90), None]);
    }

    #[test]
    fn old_names_are_written_once_they_were_raised_and_not_before() {
        let old = CompatKey::Text("alert".into());
        let rules = [rule("a"), rule_of("b", "checkbox", OnLost::Clear, std::slice::from_ref(&old))];
        let mut ledger = Ledger::new("web2".to_owned());
        let old = StandingKey::Old(old);
        ledger.broken(0, &rules[0], breach(50.0));
        assert!(!ledger.standing(&rules).contains_key(&old), "of another rule");
        ledger.broken(1, &rules[1], breach(50.0));
        assert!(matches!(ledger.standing(&rules)[&old], Word::Raised { .. }));
        ledger.recovered(1);
        assert_eq!(ledger.standing(&rules)[&old], Word::Clear);
        assert!(matches!(ledger.standing(&rules)[&own("alert:checkbox:web2")], Word::Raised { .. }));
    }

    #[test]
    fn what_an_earlier_life_wrote_is_its_rules_own_again() {
        let rules = [rule("cpu"), rule("memory"), rule_of("x", "itrust", OnLost::Clear, &[])];
        let mut ledger = Ledger::new("web2".to_owned());
        ledger.broken(1, &rules[1], breach(50.0));
        let key = own("alert:checkbox:web2");
        let Word::Raised { text, .. } = ledger.standing(&rules)[&key].clone() else { panic!("nothing stands") };
        let mut next = Ledger::new("web2".to_owned());
        assert_eq!(next.adopted(&rules, "alert:checkbox:web2", &text), [(1, breach(50.0))]);
        next.broken(1, &rules[1], breach(50.0));
        assert_eq!(next.standing(&rules), ledger.standing(&rules), "word for word");
        assert_eq!(next.adopted(&rules, "alert:itrust:web2", &text), [], "of another service");
        assert_eq!(next.adopted(&rules[..1], "alert:checkbox:web2", &text), [], "the rule is gone");
        assert_eq!(next.adopted(&rules, "alert:checkbox:web2", "by hand"), []);
    }
}
