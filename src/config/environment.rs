//! The environment as a layer over the file: `COALMINE_LISTEN__DRAIN=5s` is `listen.drain = "5s"`.
//!
//! figment's own `Env` is one provider for all variables, so its errors cannot name the variable that is wrong, and it
//! reads the process's environment only, which a test cannot set without `unsafe`. Here each variable is a provider.
//! The syntax of a value is figment's.

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

const PREFIX: &str = "COALMINE_";
const SEPARATOR: &str = "__";
const TABLES: [&str; 8] = ["listen", "log", "admin", "redis", "balancer", "affinity", "notify", "service"];

/// One variable that says something about the configuration.
pub(super) struct Variable {
    name: String,
    /// Lower case.
    path: Vec<String>,
    text: String,
}

impl Variable {
    /// The variables among `pairs` that can be keys, ordered by name. A name of a single level that is no table is
    /// someone else's: `COALMINE_CONFIG` of the command line, `COALMINE_PORT` of a container platform.
    pub(super) fn select(pairs: impl IntoIterator<Item = (String, String)>) -> Vec<Self> {
        let mut variables: Vec<Self> = pairs.into_iter().filter_map(|(name, text)| Self::new(name, text)).collect();
        variables.sort_by(|a, b| a.name.cmp(&b.name));
        variables
    }

    fn new(name: String, text: String) -> Option<Self> {
        let path: Vec<String> =
            name.strip_prefix(PREFIX)?.to_ascii_lowercase().split(SEPARATOR).map(str::to_owned).collect();
        let ours = path.len() > 1 || TABLES.contains(&path[0].as_str());
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
