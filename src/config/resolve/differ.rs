//! Services beside each other.

use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::model::{Affinity, ServiceSpec};

/// Refuses what would make two services one: a name, a match, an alert, a cookie.
pub(super) fn services_differ(problems: &mut Problems<'_>, key: &Key, services: &[Option<ServiceSpec>]) {
    for (index, later) in services.iter().enumerate() {
        let key = key.index(index);
        let Some(later) = later else { continue };
        for earlier in services[..index].iter().flatten() {
            let name = &earlier.name;
            if *name == later.name {
                let why = "another service has this name";
                problems.refuse::<()>(&key.field("name"), name, why, "give each service a name of its own");
            }
            if let Some(host) = same_match(earlier, later) {
                let why = format!("services `{name}` and `{}` match the same requests: {host}", later.name);
                let remedy = "give them different hosts or path prefixes";
                problems.refuse::<()>(&key.field("path_prefix"), &later.path_prefix, why, remedy);
            }
            let kept = [earlier, later].iter().all(|service| service.affinity != Affinity::None);
            if *name != later.name && kept && earlier.cookie.name == later.cookie.name {
                let why = format!("service `{name}` keeps its visitors with a cookie of this name");
                let remedy = "write a name of its own for each, or none for the default";
                problems.refuse::<()>(&key.field("cookie").field("name"), &later.cookie.name, why, remedy);
            }
            // Keys that follow from one name are one mistake with it.
            if *name != later.name && same_alert(&earlier.alert.key, &later.alert.key) {
                let why =
                    format!("an alert of one would be one of the other: service `{name}` has `{}`", earlier.alert.key);
                let remedy = "write keys of which none is the other, or the other with `:` and more";
                problems.refuse::<()>(&key.field("alert").field("key"), &later.alert.key, why, remedy);
            }
        }
    }
}

/// What both match, in words.
fn same_match(a: &ServiceSpec, b: &ServiceSpec) -> Option<String> {
    let host = match a.hosts.iter().find(|host| b.hosts.contains(host)) {
        Some(host) => format!("host `{host}`"),
        None if a.hosts.is_empty() && b.hosts.is_empty() => "any host".into(),
        None => return None,
    };
    (a.path_prefix == b.path_prefix).then(|| format!("{host}, path prefix `{}`", a.path_prefix))
}

fn same_alert(a: &str, b: &str) -> bool {
    let owns = |a: &str, b: &str| b.strip_prefix(a).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
    owns(a, b) || owns(b, a)
}
