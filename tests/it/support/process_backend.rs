//! A backend in a process of its own, which can be frozen and killed: this test binary once more, running one test.

use std::env;
use std::io::Read;
use std::net::SocketAddr;
use std::process::Command;

use super::backend::Backend;
use super::eventually::eventually_some;
use super::process::Process;

const ID: &str = "COALMINE_TEST_BACKEND";
const LISTENING: &str = "backend listens on ";

pub(crate) struct ProcessBackend {
    pub(crate) address: SocketAddr,
    process: Process,
}

impl ProcessBackend {
    /// Answers everything with 200 and its id.
    pub(crate) fn start(id: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "support::process_backend::entry", "--nocapture"]).env(ID, id);
        let process = Process::start(command);
        let address = eventually_some("the backend's process listens", || {
            let text = process.stdout.text();
            let line = text.lines().find_map(|line| line.split_once(LISTENING))?;
            Some(line.1.parse().unwrap())
        });
        Self { address, process }
    }

    pub(crate) fn freeze(&self) {
        self.process.signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.process.signal("CONT");
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }
}

/// The backend's `main`. Among the tests, where the variable is not set, it has nothing to do.
#[test]
#[allow(clippy::print_stdout, reason = "the parent process reads the address there")]
fn entry() {
    let Ok(id) = env::var(ID) else { return };
    let backend = Backend::start(&id);
    println!("\n{LISTENING}{}", backend.address);
    // Ends with the parent, however that ends.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
