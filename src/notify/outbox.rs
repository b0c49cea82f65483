//! Where notices wait: a directory, or nowhere but in memory.
//!
//! Each notice is a file of its own for each place, written under another name, synced and renamed, so that it is there
//! whole or not at all. A second file keeps what was told. One process at a time has the directory, by a lock that ends
//! with it; the next one waits for it and reads what was left.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::entry::Entry;
use super::rate::Rate;
use super::standing::Standing;

/// A larger file is not one of ours.
const LARGEST: u64 = 256 * 1024;
const MEMORY: &str = "memory.json";
const LOCK: &str = ".lock";
/// How often the lock is tried, and after how long it is told that somebody else has it.
const TRY: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Outbox {
    directory: Option<Directory>,
    /// When the latest notice was put in: names go up, whatever the clock does.
    last: u64,
    serial: u32,
}

struct Directory {
    path: PathBuf,
    /// The last write failed.
    failing: bool,
    /// Notices whose write failed: they are in memory alone.
    unwritten: BTreeSet<String>,
    _lock: File,
}

/// What is known beside the notices that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    pub(super) standing: Standing,
    pub(super) mails: Rate,
    /// Notices that there was no room for, since the last mail.
    pub(super) lost: usize,
}

impl Outbox {
    pub(super) fn in_memory() -> Self {
        Self { directory: None, last: 0, serial: 0 }
    }

    /// Waits until no other process has the directory. Cancel safe.
    ///
    /// # Errors
    /// It can't be made or written to.
    pub(super) async fn open(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        }
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.join(LOCK))?;
        let (start, mut told) = (Instant::now(), false);
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => sleep(TRY).await,
            }
            if start.elapsed() > PATIENCE && !std::mem::replace(&mut told, true) {
                tracing::error!(outbox = %path.display(), "another process has the outbox: notices wait for its end");
            }
        }
        let directory = Directory { path: path.to_owned(), failing: false, unwritten: BTreeSet::new(), _lock: lock };
        Ok(Self { directory: Some(directory), last: 0, serial: 0 })
    }

    /// Everything that waits is there for the next process.
    pub(super) fn survives(&self) -> bool {
        self.directory.as_ref().is_some_and(|directory| directory.unwritten.is_empty())
    }

    /// What was left, in the order in which it came. What can't be read is set aside.
    pub(super) fn load(&mut self) -> (Memory, Vec<(String, Entry)>) {
        let Some(directory) = &self.directory else { return Default::default() };
        let mut names = directory.names();
        names.sort_unstable();
        let memory = names.iter().find(|name| *name == MEMORY).and_then(|name| directory.read(name));
        let notices = names.into_iter().filter(|name| name != MEMORY);
        let entries: Vec<(String, Entry)> =
            notices.filter_map(|name| Some((name.clone(), directory.read::<Entry>(&name)?))).collect();
        let latest = entries.last().and_then(|(name, _)| name.split('-').next()?.parse::<u64>().ok());
        self.last = latest.map_or(0, |latest| latest.saturating_add(1));
        (memory.unwrap_or_default(), entries)
    }

    /// Keeps a notice, and gives the name to take it out by.
    pub(super) fn put(&mut self, entry: &Entry) -> String {
        self.serial = if entry.at > self.last { 0 } else { self.serial.wrapping_add(1) };
        self.last = self.last.max(entry.at);
        let name = format!("{:015}-{:08}-{}.json", self.last, self.serial, entry.id);
        if let Some(directory) = &mut self.directory
            && !directory.write(&name, entry)
        {
            directory.unwritten.insert(name.clone());
        }
        name
    }

    pub(super) fn remove<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let Some(directory) = &mut self.directory else { return };
        for name in names {
            directory.unwritten.remove(name);
            // One that could never be written is not there.
            let _ = fs::remove_file(directory.path.join(name));
        }
        // What is there once more after a loss of power is sent once more, by the same id.
        let _ = directory.sync();
    }

    pub(super) fn remember(&mut self, memory: &Memory) {
        if let Some(directory) = &mut self.directory {
            directory.write(MEMORY, memory);
        }
    }
}

impl Directory {
    /// Of everything that may be ours; what a write that broke off has left is removed.
    fn names(&self) -> Vec<String> {
        let files = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let mut names: Vec<String> = files.filter_map(|file| file.file_name().into_string().ok()).collect();
        for broken in names.iter().filter(|name| name.ends_with(".tmp")) {
            let _ = fs::remove_file(self.path.join(broken));
        }
        names.retain(|name| name.ends_with(".json"));
        names
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Option<T> {
        let path = self.path.join(name);
        let large = || io::Error::new(io::ErrorKind::InvalidData, "too large");
        let length = fs::metadata(&path).map(|data| data.len());
        let bytes = length.and_then(|length| if length > LARGEST { Err(large()) } else { fs::read(&path) });
        match bytes.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?)) {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::error!(file = %path.display(), %error, "not readable: set aside as .bad");
                let _ = fs::rename(&path, self.path.join(format!("{name}.bad")));
                None
            }
        }
    }

    /// Whether it is there now.
    fn write(&mut self, name: &str, value: &impl Serialize) -> bool {
        let path = self.path.join(name);
        let under_way = self.path.join(format!("{name}.tmp"));
        let written = serde_json::to_vec(value).map_err(io::Error::from).and_then(|bytes| {
            let options = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&under_way);
            let mut file = options?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&under_way, &path)?;
            self.sync()
        });
        self.went(written);
        !self.failing
    }

    /// Makes what was renamed or removed outlive a loss of power.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// Tells once that nothing can be written, and goes on in memory.
    fn went(&mut self, outcome: io::Result<()>) {
        let failed = outcome.is_err();
        if let (Err(error), false) = (outcome, self.failing) {
            tracing::error!(outbox = %self.path.display(), %error, "notices can't be kept: they wait in memory");
        }
        self.failing = failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NoticeKind;
    use crate::notify::entry::{Place, specimen};

    fn entry(id: &str, at: u64) -> Entry {
        Entry { id: id.to_owned(), to: Place::Mail, at, notice: specimen(id, NoticeKind::Firing) }
    }

    fn ids(entries: &[(String, Entry)]) -> Vec<&str> {
        entries.iter().map(|(_, entry)| entry.id.as_str()).collect()
    }

    #[tokio::test]
    async fn what_was_put_in_is_there_in_its_order_until_it_is_taken_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        let mut outbox = Outbox::open(&path).await.unwrap();
        let names = [("z", 7), ("y", 7), ("x", 5)].map(|(id, at)| outbox.put(&entry(id, at)));
        let memory = Memory { lost: 3, ..Memory::default() };
        outbox.remember(&memory);
        drop(outbox);
        let mut outbox = Outbox::open(&path).await.unwrap();
        let (remembered, entries) = outbox.load();
        assert_eq!((remembered, ids(&entries)), (memory, vec!["z", "y", "x"]), "in the order of arrival");
        outbox.remove([names[0].as_str()].into_iter());
        assert_eq!(ids(&outbox.load().1), ["y", "x"]);
        let later = outbox.put(&entry("w", 6));
        assert!(later > names[2], "{later}: names go up though the clock was set back");
    }

    #[tokio::test]
    async fn what_is_broken_is_set_aside_and_half_a_write_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::write(path.join("0-0-a.json"), "{").unwrap();
        fs::write(path.join("0-0-b.json.tmp"), "{").unwrap();
        fs::write(path.join(MEMORY), "?").unwrap();
        let mut outbox = Outbox::open(path).await.unwrap();
        outbox.put(&entry("c", 1));
        let (memory, entries) = outbox.load();
        assert_eq!((memory, ids(&entries)), (Memory::default(), vec!["c"]));
        assert!(path.join("0-0-a.json.bad").exists() && path.join("memory.json.bad").exists());
        assert!(!path.join("0-0-b.json.tmp").exists());
    }

    #[tokio::test(start_paused = true)]
    async fn only_one_has_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let first = Outbox::open(directory.path()).await.unwrap();
        assert!(tokio::time::timeout(TRY * 5, Outbox::open(directory.path())).await.is_err());
        drop(first);
        assert!(Outbox::open(directory.path()).await.is_ok());
    }

    #[tokio::test]
    async fn what_no_disk_took_does_not_survive() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("outbox");
        let mut outbox = Outbox::open(&path).await.unwrap();
        let kept = outbox.put(&entry("a", 1));
        assert!(outbox.survives());
        fs::rename(&path, directory.path().join("gone")).unwrap();
        let lost = outbox.put(&entry("b", 2));
        assert!(!outbox.survives());
        fs::rename(directory.path().join("gone"), &path).unwrap();
        outbox.remove([kept.as_str()].into_iter());
        assert!(!outbox.survives(), "one is still in memory alone");
        outbox.remove([lost.as_str()].into_iter());
        assert!(outbox.survives());
    }

    #[test]
    fn in_memory_nothing_is_left() {
        let mut outbox = Outbox::in_memory();
        let name = outbox.put(&entry("a", 1));
        outbox.remember(&Memory::default());
        outbox.remove([name.as_str()].into_iter());
        assert!(!outbox.survives() && outbox.load().1.is_empty());
    }
}
