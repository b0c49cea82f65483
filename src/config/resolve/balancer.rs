//! `[balancer]`: what this one is called among others. The agent of a host is named alike.

use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::RawBalancer;
use crate::model::BalancerSettings;

const LONGEST: usize = 63;
const HOST: &str = "/proc/sys/kernel/hostname";

pub(super) fn balancer(problems: &mut Problems<'_>, raw: &RawBalancer) -> Option<BalancerSettings> {
    Some(BalancerSettings { name: host_name(problems, &Key::top("balancer").field("name"), &raw.name)? })
}

/// Blocks on the kernel's word for the host where no name is written.
pub(super) fn host_name(problems: &mut Problems<'_>, key: &Key, text: &str) -> Option<String> {
    match text {
        // A host that does not tell its name has one balancer at least, which may have any.
        "" => Some(from_host(&std::fs::read_to_string(HOST).unwrap_or_default())),
        text if text.len() <= LONGEST && text.chars().all(is_allowed) => Some(text.to_owned()),
        text => {
            let remedy = "write 1 to 63 of a-z, A-Z, 0-9, \".\", \"_\" and \"-\", or \"\" for the host's name";
            problems.refuse(key, text, "not a name of a host", remedy)
        }
    }
}

/// Never empty.
fn from_host(text: &str) -> String {
    let name: String = text.trim().chars().take(LONGEST).map(|c| if is_allowed(c) { c } else { '-' }).collect();
    if name.is_empty() { "coalmine".to_owned() } else { name }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_gives_its_name_with_a_dash_for_what_no_name_may_have() {
        assert_eq!(from_host("lb1.example.org\n"), "lb1.example.org");
        assert_eq!(from_host("(none)\n"), "-none-");
        assert_eq!(from_host("bär 1:x"), "b-r-1-x");
        assert_eq!(from_host(&"ä".repeat(64)), "-".repeat(63));
        assert_eq!(from_host(" \n"), "coalmine");
    }
}
