//! How this program was started, to start it once more.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The path and the arguments of this process.
///
/// The path is that of the command line, with symbolic links as they are: after an upgrade it leads to the new version,
/// where `/proc/self/exe` is the old one, or deleted.
#[derive(Clone, Debug)]
pub(in crate::app) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// To be called at the start, before anybody changes the working directory.
    ///
    /// # Errors
    /// It can't be told what was started.
    pub(in crate::app) fn of_this_process() -> std::io::Result<Self> {
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_default();
        let search = std::env::var_os("PATH").unwrap_or_default();
        let path = match resolve(Path::new(&name), &search, &std::env::current_dir()?) {
            Some(path) => path,
            None => std::env::current_exe()?,
        };
        Ok(Self { path, arguments: arguments.collect() })
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments);
        command
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Where a shell found `name`.
fn resolve(name: &Path, search: &OsStr, directory: &Path) -> Option<PathBuf> {
    let found = if name.components().count() > 1 || name.is_absolute() {
        directory.join(name)
    } else {
        std::env::split_paths(search).map(|of_search| directory.join(of_search).join(name)).find(|it| it.is_file())?
    };
    found.is_file().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_searched_and_a_path_is_taken_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("v1"), directory.path().join("coalmine"));
        std::fs::write(&real, "").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let search = std::env::join_paths(["/nonexistent".as_ref(), directory.path()]).unwrap();
        let elsewhere = Path::new("/");
        assert_eq!(resolve(Path::new("coalmine"), &search, elsewhere), Some(link.clone()), "the link, not its end");
        assert_eq!(resolve(&link, OsStr::new(""), elsewhere), Some(link.clone()));
        assert_eq!(resolve(Path::new("./coalmine"), OsStr::new(""), directory.path()), Some(link));
        assert_eq!(resolve(Path::new("other"), &search, elsewhere), None);
    }
}
