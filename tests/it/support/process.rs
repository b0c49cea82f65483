//! A child process whose output is kept, which is told signals by number of process, and killed when dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::eventually::{DEADLINE, eventually_some, within};

pub(crate) struct Process {
    child: Child,
    /// Held open: a child may take its end for a sign to go.
    stdin: Option<ChildStdin>,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
    readers: Vec<JoinHandle<()>>,
}

/// What the process has written so far.
#[derive(Clone, Default)]
pub(crate) struct Output(Arc<Mutex<String>>);

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Exit {
    /// `None`: by a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    #[track_caller]
    pub(crate) fn start(command: Command) -> Self {
        Self::start_with(command, Stdio::piped())
    }

    /// The same with another standard input than a pipe.
    #[track_caller]
    pub(crate) fn start_with(mut command: Command, stdin: Stdio) -> Self {
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (stdout, stderr) = (Output::default(), Output::default());
        let readers = vec![
            stdout.follow(child.stdout.take().expect("stdout is piped")),
            stderr.follow(child.stderr.take().expect("stderr is piped")),
        ];
        let stdin = child.stdin.take();
        Self { child, stdin, stdout, stderr, readers }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `TERM`, `STOP` and so on.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status().unwrap();
        assert!(status.success(), "signal {name} to {}", self.pid());
    }

    /// Writes a line to its standard input.
    #[track_caller]
    pub(crate) fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is piped");
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end alone: a child of its own may write on. Gives its exit code.
    #[track_caller]
    pub(crate) fn wait_code(&mut self) -> Option<i32> {
        eventually_some("the process ends", || self.child.try_wait().unwrap()).code()
    }

    /// Waits for the end, and for all that was written before it.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Exit {
        self.wait_within(DEADLINE)
    }

    /// The same with another deadline.
    #[track_caller]
    pub(crate) fn wait_within(&mut self, deadline: Duration) -> Exit {
        let Some(status) = within(deadline, || self.child.try_wait().unwrap()) else {
            let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
            panic!("the process does not end within {deadline:?}; it said:\n{stdout}{stderr}")
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Exit { code: status.code(), stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    /// Kills it and waits until the system has taken back what it held.
    pub(crate) fn kill(&mut self) {
        // Both fail when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Output {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn follow(&self, from: impl Read + Send + 'static) -> JoinHandle<()> {
        let text = self.0.clone();
        thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                text.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        })
    }
}
