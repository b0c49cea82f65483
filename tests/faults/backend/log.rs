//! What a backend was given: one line in a file for each request that was there whole, written before the answer.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::mode::Answer;

/// One request that a backend was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) at: SystemTime,
    pub(crate) number: String,
    pub(crate) method: String,
    /// What became of it.
    pub(crate) answer: String,
}

/// A line is one system call, so that it is there whole although the process is killed right after.
pub(super) struct Log(File);

impl Log {
    pub(super) fn open(path: &str) -> Self {
        Self(OpenOptions::new().create(true).append(true).open(path).unwrap())
    }

    pub(super) fn write(&self, number: &str, method: &str, answer: Answer) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros();
        let line = format!("{now} {number} {method} {}\n", answer.name());
        (&self.0).write_all(line.as_bytes()).unwrap();
    }
}

pub(super) fn read(path: &Path) -> Vec<Given> {
    std::fs::read_to_string(path).unwrap_or_default().lines().filter_map(given).collect()
}

fn given(line: &str) -> Option<Given> {
    let words: Vec<_> = line.split(' ').collect();
    let [at, number, method, answer] = words[..] else { return None };
    Some(Given {
        at: SystemTime::UNIX_EPOCH + Duration::from_micros(at.parse().ok()?),
        number: number.to_owned(),
        method: method.to_owned(),
        answer: answer.to_owned(),
    })
}

#[test]
fn what_was_given_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let log = Log::open(path.to_str().unwrap());
    log.write("7-1", "POST", Answer::HalfBody);
    log.write("-", "GET", Answer::Well);
    let given = read(&path);
    assert_eq!((given[0].number.as_str(), given[0].answer.as_str()), ("7-1", "half-body"));
    assert_eq!(given[1].method, "GET");
}
