//! What of a service's configuration looks at requests.

use std::sync::Arc;

use crate::model::{Affinity, ServiceSpec};
use crate::table::{Choice, Keys, Pins};

/// `None`: nothing but the schedule decides in this service. Where it needs a key and there is none, one is made, the
/// same for all services.
pub(super) fn choice(spec: &ServiceSpec, keys: &mut Option<Arc<Keys>>) -> Option<Arc<Choice>> {
    let pins = (spec.affinity != Affinity::None).then(|| {
        let keys = keys.get_or_insert_with(|| Arc::new(Keys::random())).clone();
        Arc::new(Pins::new(spec.affinity, spec.cookie.clone(), &spec.name, keys))
    });
    let tester = spec.tester.header.is_some() || spec.tester.cookie.is_some();
    let any = pins.is_some() || tester || spec.split_by.is_some() || !spec.rules.is_empty();
    any.then(|| {
        Arc::new(Choice {
            tester: spec.tester.clone(),
            rules: spec.rules.clone(),
            split_by: spec.split_by.clone(),
            pins,
            has_canary: spec.canary.is_some(),
        })
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::control::specimen;
    use crate::model::{Condition, RuleSpec, Track};

    fn service() -> ServiceSpec {
        specimen::service((2, &["a"]), (1, &["c"]))
    }

    #[test]
    fn a_service_that_looks_at_nothing_has_no_choice_and_needs_no_key() {
        let mut keys = None;
        assert!(choice(&service(), &mut keys).is_none() && keys.is_none());
    }

    #[test]
    fn whatever_is_looked_at_makes_a_choice() {
        let mut keys = None;
        let mut with = |change: &dyn Fn(&mut ServiceSpec)| {
            let mut spec = service();
            change(&mut spec);
            choice(&spec, &mut keys)
        };
        let field = HeaderName::from_static("x-user");
        let network = Condition::Network("10.0.0.0/8".parse().unwrap());
        assert!(with(&|spec| spec.split_by = Some(field.clone())).is_some());
        assert!(with(&|spec| spec.tester.header = Some(field.clone())).is_some());
        assert!(with(&|spec| spec.tester.cookie = Some("canary".to_owned())).is_some());
        let rule = RuleSpec { condition: network, track: Track::Canary };
        let ruled = with(&|spec| spec.rules = vec![rule.clone()]).unwrap();
        assert!(ruled.pins.is_none() && ruled.has_canary);
        assert!(!with(&|spec| (spec.rules, spec.canary) = (vec![rule.clone()], None)).unwrap().has_canary);
        assert!(keys.is_none(), "only affinity needs a key");
    }

    #[test]
    fn affinity_makes_one_key_for_all_services_unless_there_is_one() {
        let mut keys = None;
        let spec = ServiceSpec { affinity: Affinity::Track, ..service() };
        assert!(choice(&spec, &mut keys).unwrap().pins.is_some());
        let made = keys.clone().unwrap();
        assert!(choice(&spec, &mut keys).is_some());
        assert!(Arc::ptr_eq(&made, &keys.unwrap()));
    }
}
