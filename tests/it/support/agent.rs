//! `coalmine monitor`, and a metric that a test moves.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::coalmine::{spawn, text};
use super::process::Process;
use super::redis::Redis;
use super::smtp::Smtp;

/// The host that every agent is of.
pub(crate) const HOST: &str = "web2";

/// A host of its own: a number that the test writes, which a check reads, and the agent's configuration.
pub(crate) struct Host {
    directory: TempDir,
}

impl Host {
    /// With these rules, on this store. The metric is `check.value`, and 0 at first.
    pub(crate) fn new(redis: &Redis, rules: &[&str]) -> Self {
        let rules: String = rules.iter().map(|rule| format!("[[rule]]\n{rule}\n")).collect();
        Self::with(&format!("[redis]\nurl = \"redis://{}/0\"\n{rules}", redis.address))
    }

    /// With one rule that tells by `smtp`, at once, and has an outbox.
    pub(crate) fn telling(smtp: &Smtp, rule: &str) -> Self {
        let host = Self::with("");
        let notify = format!("[notify]\ngroup = \"0s\"\noutbox = \"outbox\"\n{}[[rule]]\n{rule}\n", smtp.table());
        let common = fs::read_to_string(host.path("monitor.toml")).unwrap();
        fs::write(host.path("monitor.toml"), common + &notify).unwrap();
        host
    }

    fn with(tables: &str) -> Self {
        let host = Self { directory: tempfile::tempdir().unwrap() };
        let value = host.path("value");
        let configuration = format!(
            "interval = \"50ms\"\nhost = \"{HOST}\"\n[[check]]\nname = \"value\"\nexec = [\"/bin/cat\", \"{}\"]\n\
             interval = \"50ms\"\ntimeout = \"30s\"\n{tables}",
            text(&value),
        );
        fs::write(host.path("monitor.toml"), configuration).unwrap();
        host.measure(0);
        host
    }

    /// The metric from here on.
    pub(crate) fn measure(&self, value: i64) {
        // Whole, or a check could read a part.
        fs::write(self.path("next"), value.to_string()).unwrap();
        fs::rename(self.path("next"), self.path("value")).unwrap();
    }

    /// Starts its agent. Killed when dropped.
    #[track_caller]
    pub(crate) fn watch(&self) -> Process {
        spawn(&["monitor", "-c", &self.configuration()], &[])
    }

    /// Notices that wait in its outbox.
    pub(crate) fn waiting(&self) -> usize {
        let files = fs::read_dir(self.path("outbox")).into_iter().flatten();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".json") && name != "memory.json").count()
    }

    /// The file that its agent reads.
    pub(crate) fn configuration(&self) -> String {
        text(&self.path("monitor.toml")).to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}
