//! A real redis-server in a directory of its own, which can be killed, frozen and started again on the same port.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use tempfile::TempDir;

use super::config::Config;
use super::eventually::eventually;
use super::process::Process;

pub(crate) struct Redis {
    pub(crate) address: SocketAddr,
    password: Option<String>,
    directory: TempDir,
    process: Option<Process>,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let mut redis = Self::stopped();
        redis.restart();
        redis
    }

    pub(crate) fn start_with_password(password: &str) -> Self {
        let mut redis = Self { password: Some(password.to_owned()), ..Self::stopped() };
        redis.restart();
        redis
    }

    /// Has its address, but is not running yet.
    pub(crate) fn stopped() -> Self {
        Self { address: free_address(), password: None, directory: tempfile::tempdir().unwrap(), process: None }
    }

    /// Starts it on its own port, with what [`Redis::write_while_down`] has left.
    pub(crate) fn restart(&mut self) {
        self.process = Some(self.serve(self.address));
    }

    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    pub(crate) fn freeze(&self) {
        self.running().signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.running().signal("CONT");
    }

    /// Lets a key stand from the moment of the next [`Redis::restart`] on.
    pub(crate) fn write_while_down(&self, key: &str, value: &str) {
        assert!(self.process.is_none(), "it is up");
        let elsewhere = free_address();
        let _process = self.serve(elsewhere);
        self.command(elsewhere, &["SET", key, value]);
        self.command(elsewhere, &["SAVE"]);
    }

    /// Runs `redis-cli` and gives what it prints.
    #[track_caller]
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        self.command(self.address, arguments)
    }

    /// The configuration that watches this server.
    pub(crate) fn watched_by(&self, config: Config) -> Config {
        config.redis_at(self.address)
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("it is up")
    }

    fn serve(&self, address: SocketAddr) -> Process {
        let mut command = Command::new("redis-server");
        command.current_dir(self.directory.path());
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]);
        command.arg(address.port().to_string());
        if let Some(password) = &self.password {
            command.args(["--requirepass", password]);
        }
        let process = Process::start(command);
        eventually("redis-server answers", || self.try_command(address, &["PING"]).trim() == "PONG");
        process
    }

    #[track_caller]
    fn command(&self, address: SocketAddr, arguments: &[&str]) -> String {
        let answer = self.try_command(address, arguments);
        assert!(!answer.starts_with("ERR") && !answer.starts_with("Could not"), "{arguments:?}: {answer}");
        answer
    }

    fn try_command(&self, address: SocketAddr, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &address.port().to_string()]);
        if let Some(password) = &self.password {
            command.env("REDISCLI_AUTH", password);
        }
        let output = command.args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }
}

/// A port that was free a moment ago, from below those that the system gives to anyone who asks for any.
pub(crate) fn free_address() -> SocketAddr {
    loop {
        let port = fastrand::u16(20_000..32_000);
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().unwrap();
        }
    }
}

#[test]
fn a_key_written_while_the_server_is_down_stands_after_its_restart() {
    let mut redis = Redis::start();
    redis.cli(&["SET", "before", "1"]);
    redis.kill();
    redis.write_while_down("meanwhile", "2");
    redis.restart();
    assert_eq!((redis.cli(&["GET", "meanwhile"]), redis.cli(&["GET", "before"])), ("2".to_owned(), String::new()));
}
