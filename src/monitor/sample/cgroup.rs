//! Which part of the host counts: a container or a unit may use less than all of it.
//!
//! Without a name it is, for processors and for memory apart, the cgroup above this process with the tightest limit.
//! The service's own cgroup does not count: only the agent is in it. Inside a container the root that can be seen is
//! the container's. With a name it is that cgroup, whose limit is the tightest at or above it, or the host's.
//!
//! Both versions of cgroups are read; the limits anew each time, since they can change.

use std::path::{Path, PathBuf};

use procfs::process::Process;

use super::{Missing, unreadable};
use crate::model::Resource;

const ROOT: &str = "/sys/fs/cgroup";
/// Directories above a process that are looked at, at most.
const DEEPEST: usize = 32;

#[derive(Debug)]
pub(super) struct Cgroups {
    root: PathBuf,
    /// One hierarchy for everything.
    v2: bool,
    named: bool,
    /// Where the process, or what is named, is in each hierarchy.
    cpu: Hierarchy,
    memory: Hierarchy,
    host_processors: f64,
}

#[derive(Debug)]
struct Hierarchy {
    mount: PathBuf,
    /// Below the mount, without a slash before it.
    path: PathBuf,
}

/// A cgroup whose share of the processors counts.
#[derive(Debug, PartialEq)]
pub(super) struct CpuGroup {
    pub(super) v2: bool,
    /// The file with the time that was used.
    pub(super) usage: PathBuf,
    /// How many processors may be used.
    pub(super) processors: f64,
}

/// A cgroup whose share of the memory counts.
#[derive(Debug, PartialEq)]
pub(super) struct MemoryGroup {
    pub(super) usage: PathBuf,
    pub(super) stat: PathBuf,
    /// The key in `stat` of what can be given back.
    pub(super) spare: &'static str,
    /// Bytes.
    pub(super) limit: f64,
}

impl Cgroups {
    /// A cgroup by its path from the root, or the one of this process when `name` is empty.
    pub(super) fn of_this_process(name: &str) -> Self {
        let groups = Process::myself().and_then(|process| process.cgroups()).map(|groups| groups.0).unwrap_or_default();
        let groups: Vec<_> = groups.into_iter().map(|group| (group.controllers, group.pathname)).collect();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let processors = super::stats().map_or(processors, |stats| stats.cpu_time.len().max(1));
        Self::new(Path::new(ROOT), &groups, name, f64::from(u32::try_from(processors).unwrap_or(u32::MAX)))
    }

    /// `groups` are controllers and paths as `/proc/self/cgroup` has them.
    fn new(root: &Path, groups: &[(Vec<String>, String)], name: &str, host_processors: f64) -> Self {
        let v2 = root.join("cgroup.controllers").exists();
        let hierarchy = |controller: &str| {
            let mount = if v2 { root.to_owned() } else { root.join(controller) };
            let of = |(controllers, _): &&(Vec<String>, String)| match v2 {
                true => controllers.is_empty(),
                false => controllers.iter().any(|it| it == controller),
            };
            let own = groups.iter().find(of).map_or("", |(_, path)| path.as_str());
            let path = PathBuf::from(if name.is_empty() { own } else { name }.trim_start_matches('/'));
            // The path of a process in a container may be the host's, where the container sees only its own root.
            let seen = !name.is_empty() || mount.join(&path).is_dir();
            Hierarchy { path: if seen { path } else { PathBuf::new() }, mount }
        };
        let (cpu, memory) = (hierarchy("cpu"), hierarchy("memory"));
        Self { root: root.to_owned(), v2, named: !name.is_empty(), cpu, memory, host_processors }
    }

    /// `None`: the host counts.
    pub(super) fn cpu(&self) -> Result<Option<CpuGroup>, Missing> {
        let Some((directory, limit)) = self.tightest(&self.cpu, |directory| self.processors(directory))? else {
            return Ok(None);
        };
        let usage = match self.v2 {
            true => directory.join("cpu.stat"),
            // Another hierarchy, which most systems mount together with this one.
            false => self.root.join("cpuacct").join(self.below(&directory)).join("cpuacct.usage"),
        };
        let processors = limit.unwrap_or(self.host_processors).min(self.host_processors);
        Ok(Some(CpuGroup { v2: self.v2, usage, processors }))
    }

    /// `None`: the host counts, which has `host` bytes.
    pub(super) fn memory(&self, host: f64) -> Result<Option<MemoryGroup>, Missing> {
        let names = match self.v2 {
            true => ("memory.max", "memory.current", "inactive_file"),
            false => ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        };
        let (max, usage, spare) = names;
        // Version 1 has a huge number for none.
        let limit = |directory: &Path| number(&directory.join(max), None).ok().filter(|limit| *limit < host);
        let found = self.tightest(&self.memory, limit)?;
        Ok(found.map(|(directory, limit)| MemoryGroup {
            usage: directory.join(usage),
            stat: directory.join("memory.stat"),
            spare,
            limit: limit.unwrap_or(host),
        }))
    }

    /// The directory whose pressure counts; `None`: the host's. Version 1 has none of its own.
    pub(super) fn pressure(&self, resource: Resource) -> Result<Option<PathBuf>, Missing> {
        if !self.v2 {
            return match self.named {
                true => {
                    let path = self.cpu.path.display();
                    Err(Missing::Unreadable(format!("/{path}: cgroups of version 1 have no pressure of their own")))
                }
                false => Ok(None),
            };
        }
        let found = match resource {
            Resource::Memory => {
                let limit = |directory: &Path| number(&directory.join("memory.max"), None).ok();
                self.tightest(&self.memory, limit)?
            }
            Resource::Cpu | Resource::Io => self.tightest(&self.cpu, |directory| self.processors(directory))?,
        };
        Ok(found.map(|(directory, _)| directory))
    }

    /// The cgroup that counts, and the tightest limit at or above it.
    fn tightest(
        &self,
        hierarchy: &Hierarchy,
        limit: impl Fn(&Path) -> Option<f64>,
    ) -> Result<Option<(PathBuf, Option<f64>)>, Missing> {
        let whole = hierarchy.mount.join(&hierarchy.path);
        if self.named && !whole.is_dir() {
            return Err(unreadable(&whole.display().to_string(), &"there is no such cgroup"));
        }
        let is_own = |path: &Path| {
            !self.named && path == hierarchy.path && path.extension().is_some_and(|kind| kind == "service")
        };
        let above = hierarchy.path.ancestors().take(DEEPEST).filter(|path| !is_own(path));
        let limits = above.filter_map(|path| {
            let directory = hierarchy.mount.join(path);
            limit(&directory).map(|limit| (directory, limit))
        });
        let tightest = limits.min_by(|(_, a), (_, b)| a.total_cmp(b));
        Ok(match (tightest, self.named) {
            (tightest, true) => Some((whole, tightest.map(|(_, limit)| limit))),
            (Some((directory, limit)), false) => Some((directory, Some(limit))),
            (None, false) => None,
        })
    }

    /// How many processors a cgroup may use, where it says so.
    fn processors(&self, directory: &Path) -> Option<f64> {
        let (quota, period) = if self.v2 {
            let text = std::fs::read_to_string(directory.join("cpu.max")).ok()?;
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?)
        } else {
            let read = |name: &str| number(&directory.join(name), None).ok();
            (read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?)
        };
        // Version 1 has -1 for none.
        (quota > 0.0 && period > 0.0).then(|| quota / period)
    }

    /// A directory of the hierarchy of processors, from its mount.
    fn below<'a>(&self, directory: &'a Path) -> &'a Path {
        directory.strip_prefix(&self.cpu.mount).unwrap_or(Path::new(""))
    }
}

/// The number that is a file's text, or that follows a key in it.
pub(super) fn number(path: &Path, key: Option<&str>) -> Result<f64, Missing> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(&name, &error))?;
    let found = match key {
        None => Some(text.trim()),
        Some(key) => text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')),
    };
    found.and_then(|text| text.trim().parse().ok()).ok_or_else(|| unreadable(&name, &"no such number in it"))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A file system of cgroups.
    struct Tree(TempDir);

    impl Tree {
        fn new(files: &[(&str, &str)]) -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            files.iter().for_each(|(path, text)| tree.write(path, text));
            tree
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn cgroups(&self, groups: &[(&str, &str)], name: &str) -> Cgroups {
            let split = |text: &str| text.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect();
            let groups: Vec<_> = groups.iter().map(|(names, path)| (split(names), (*path).to_owned())).collect();
            Cgroups::new(self.0.path(), &groups, name, 4.0)
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }
    }

    const GIB: f64 = 1_073_741_824.0;

    #[test]
    fn a_host_without_limits_counts_as_a_whole() {
        let tree = Tree::new(&[
            ("cgroup.controllers", "cpu memory"),
            // A container's root has these, a host's has not.
            ("cpu.max", "max 100000\n"),
            ("memory.max", "max\n"),
            ("system.slice/cpu.max", "max 100000\n"),
            ("system.slice/memory.max", "max\n"),
            ("system.slice/agent.service/cpu.max", "20000 100000\n"),
            ("system.slice/agent.service/memory.max", "67108864\n"),
        ]);
        let cgroups = tree.cgroups(&[("", "/system.slice/agent.service")], "");
        assert_eq!((cgroups.cpu(), cgroups.memory(GIB)), (Ok(None), Ok(None)), "its own limits are no host's");
        assert_eq!(cgroups.pressure(Resource::Cpu), Ok(None));
    }

    #[test]
    fn the_tightest_limit_above_the_process_counts_and_may_change() {
        let tree = Tree::new(&[
            ("cgroup.controllers", "cpu memory"),
            ("cpu.max", "300000 100000\n"),
            ("memory.max", "536870912\n"),
            ("a/cpu.max", "150000 100000\n"),
            ("a/b.service/cpu.max", "1000 100000\n"),
        ]);
        let cgroups = tree.cgroups(&[("", "/a/b.service")], "");
        let cpu = |processors| CpuGroup { v2: true, usage: tree.path("a/cpu.stat"), processors };
        assert_eq!(cgroups.cpu(), Ok(Some(cpu(1.5))));
        tree.write("a/cpu.max", "50000 100000\n");
        assert_eq!(cgroups.cpu(), Ok(Some(cpu(0.5))));
        assert_eq!(cgroups.pressure(Resource::Io), Ok(Some(tree.path("a"))));
        let memory = cgroups.memory(GIB).unwrap().unwrap();
        assert_eq!((memory.usage, memory.limit), (tree.path("memory.current"), GIB / 2.0));
        assert_eq!(cgroups.pressure(Resource::Memory), Ok(Some(tree.path(""))));
        assert_eq!(cgroups.memory(GIB / 4.0), Ok(None), "a limit above what there is");
    }

    #[test]
    fn a_container_that_sees_only_its_own_root_is_found_there() {
        let tree = Tree::new(&[
            ("cpu/cpu.cfs_quota_us", "50000\n"),
            ("cpu/cpu.cfs_period_us", "100000\n"),
            ("memory/memory.limit_in_bytes", "268435456\n"),
        ]);
        let cgroups = tree.cgroups(&[("cpu,cpuacct", "/docker/abc"), ("memory", "/docker/abc")], "");
        let usage = tree.path("cpuacct/cpuacct.usage");
        assert_eq!(cgroups.cpu(), Ok(Some(CpuGroup { v2: false, usage, processors: 0.5 })));
        assert_eq!(cgroups.memory(GIB).unwrap().unwrap().limit, GIB / 4.0);
        assert_eq!(cgroups.pressure(Resource::Cpu), Ok(None), "it has none of its own");
        tree.write("cpu/cpu.cfs_quota_us", "-1\n");
        tree.write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!((cgroups.cpu(), cgroups.memory(GIB)), (Ok(None), Ok(None)));
    }

    #[test]
    fn a_named_cgroup_counts_also_without_a_limit() {
        let tree = Tree::new(&[
            ("cgroup.controllers", "cpu memory"),
            ("lab/cpu.max", "200000 100000\n"),
            ("lab/canary.service/cpu.max", "max 100000\n"),
        ]);
        let cgroups = tree.cgroups(&[("", "/elsewhere")], "/lab/canary.service");
        let usage = tree.path("lab/canary.service/cpu.stat");
        assert_eq!(cgroups.cpu(), Ok(Some(CpuGroup { v2: true, usage, processors: 2.0 })));
        let memory = cgroups.memory(GIB).unwrap().unwrap();
        assert_eq!((memory.usage, memory.limit), (tree.path("lab/canary.service/memory.current"), GIB));
        let missing = tree.cgroups(&[], "/lab/none").cpu().unwrap_err().to_string();
        assert!(missing.contains("lab/none"), "{missing}");
    }

    #[test]
    fn a_number_is_a_whole_file_or_follows_its_key() {
        let tree =
            Tree::new(&[("cpu.stat", "usage_usec 1500\nuser_usec 7\n"), ("memory.current", "12\n"), ("x", "max")]);
        assert_eq!(number(&tree.path("cpu.stat"), Some("usage_usec")), Ok(1500.0));
        assert_eq!(number(&tree.path("memory.current"), None), Ok(12.0));
        assert!(number(&tree.path("x"), None).is_err() && number(&tree.path("cpu.stat"), Some("usage")).is_err());
    }
}
