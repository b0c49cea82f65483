//! The environment as a layer over the file: `COALMINE_LISTEN__DRAIN=5s` is `listen.drain = "5s"`.
//!
//! figment's own `Env` is one provider for all variables, so its errors cannot name the variable that is wrong, and it
//! reads the process's environment only, which a test cannot set without `unsafe`. Here each variable is a provider.
//! The syntax of a value is figment's.

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

const SEPARATOR: &str = "__";

/// Whose variables are meant.
pub(super) struct Names {
    prefix: &'static str,
    /// Variables that begin so are another program's.
    except: Option<&'static str>,
    /// What a variable without a separator may name.
    tops: &'static [&'static str],
}

/// The balancer's.
pub(super) const BALANCER: Names = Names {
    prefix: "COALMINE_",
    except: Some(MONITOR.prefix),
    tops: &["listen", "limits", "log", "admin", "redis", "balancer", "affinity", "notify", "service"],
};

/// The agent's.
pub(super) const MONITOR: Names = Names {
    prefix: "COALMINE_MONITOR_",
    except: None,
    tops: &["interval", "host", "cgroup", "log", "redis", "notify", "check", "rule"],
};

/// One variable that says something about the configuration.
pub(super) struct Variable {
    name: String,
    /// Lower case.
    path: Vec<String>,
    text: String,
}

impl Variable {
    /// The variables among `pairs` that can be keys, ordered by name. A name of a single level that is no key is
    /// someone else's: `COALMINE_CONFIG` of the command line, `COALMINE_PORT` of a container platform.
    pub(super) fn select(names: &Names, pairs: impl IntoIterator<Item = (String, String)>) -> Vec<Self> {
        let mut variables: Vec<Self> =
            pairs.into_iter().filter_map(|(name, text)| Self::new(names, name, text)).collect();
        variables.sort_by(|a, b| a.name.cmp(&b.name));
        variables
    }

    fn new(names: &Names, name: String, text: String) -> Option<Self> {
        if names.except.is_some_and(|except| name.starts_with(except)) {
            return None;
        }
        let path: Vec<String> =
            name.strip_prefix(names.prefix)?.to_ascii_lowercase().split(SEPARATOR).map(str::to_owned).collect();
        let ours = path.len() > 1 || names.tops.contains(&path[0].as_str());
        ours.then_some(Self { name, path, text })
    }
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::from("environment variable", self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let Ok(mut value) = self.text.parse::<Value>();
        for step in self.path.iter().skip(1).rev() {
            value = Dict::from([(step.clone(), value)]).into();
        }
        Ok(Map::from([(Profile::Default, Dict::from([(self.path[0].clone(), value)]))]))
    }
}
