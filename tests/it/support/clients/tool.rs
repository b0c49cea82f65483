//! A program of somebody else: found, run with a deadline, its output kept.

use std::env;
use std::ffi::OsStr;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::super::process::{Exit, Process};

/// A run may take so long unless it says otherwise: only a hang is longer, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program with its arguments, to be run or started. No proxy of the machine's settings comes between.
pub(crate) struct Tool {
    command: Command,
    input: Vec<u8>,
    patience: Duration,
}

impl Tool {
    /// Silent but for errors.
    pub(crate) fn curl() -> Self {
        Self::named("curl").args(["-q", "--silent", "--show-error"])
    }

    pub(crate) fn h2load() -> Self {
        Self::named("h2load")
    }

    pub(crate) fn nghttp() -> Self {
        Self::named("nghttp")
    }

    pub(crate) fn openssl() -> Self {
        Self::named("openssl")
    }

    pub(crate) fn grpcurl() -> Self {
        Self::named("grpcurl").args(["-connect-timeout", "60"])
    }

    pub(crate) fn h2spec() -> Self {
        Self::named("h2spec")
    }

    pub(super) fn pebble() -> Self {
        Self::named("pebble")
    }

    pub(super) fn challtestsrv() -> Self {
        Self::named("pebble-challtestsrv")
    }

    /// A program of tests/clients.
    pub(crate) fn python(script: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("target/tools/clients/bin/python");
        assert!(python.exists(), "the Python packages of the tests are missing: `make setup-test` installs them");
        Self::at(&python).arg("-B").arg(root.join("tests/clients").join(script))
    }

    /// Another program, of the directory that `make setup-test` fills or of the path.
    pub(crate) fn named(name: &str) -> Self {
        Self::at(&installed(name).unwrap_or_else(|| panic!("{name} is missing: `make setup-test` installs it")))
    }

    fn at(program: &Path) -> Self {
        let mut command = Command::new(program);
        for name in ["http_proxy", "https_proxy", "all_proxy", "grpc_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        Self { command, input: Vec::new(), patience: PATIENCE }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// What it reads from its standard input, which ends there. Without it there is nothing to read.
    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// Another deadline for [`Tool::run`].
    pub(crate) fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Waits for its end and gives what it said, whatever its exit code. Panics when it does not end in time.
    #[track_caller]
    pub(crate) fn run(self) -> Exit {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&self.input).unwrap();
        file.rewind().unwrap();
        Process::start_with(self.command, Stdio::from(file)).wait_within(self.patience)
    }

    /// The same, and it must succeed. Gives its standard output.
    #[track_caller]
    pub(crate) fn output(self) -> String {
        let shown = format!("{:?}", self.command);
        let exit = self.run();
        assert_eq!(exit.code, Some(0), "{shown}\n{}{}", exit.stdout, exit.stderr);
        exit.stdout
    }

    /// Leaves it running, with its standard input open. It ends when it is dropped.
    #[track_caller]
    pub(crate) fn start(self) -> Process {
        Process::start(self.command)
    }
}

fn installed(name: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let folders = [own].into_iter().chain(env::split_paths(&path)).chain(system);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}
