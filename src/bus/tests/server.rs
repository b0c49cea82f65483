//! Redis servers of our own, and other clients of them.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::time::timeout;

use super::PATIENCE;
use crate::model::{Endpoint, RedisPlace};

/// A redis-server of our own, killed on drop.
pub(super) struct Server {
    child: Child,
    dir: TempDir,
    pub(super) port: u16,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(super) async fn start_with(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let child = spawn(dir.path(), port, arguments);
        let server = Self { child, dir, port };
        server.client().await;
        server
    }

    /// Ends the server as a crash would.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, empty, on the same port.
    pub(super) async fn restart(&mut self) {
        self.child = spawn(self.dir.path(), self.port, &[]);
        self.client().await;
    }

    pub(super) async fn client(&self) -> Client {
        Client(connected(self.port).await)
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint { host: "127.0.0.1".into(), port: self.port }
    }

    pub(super) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(dir: &Path, port: u16, arguments: &[&str]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(dir)
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

async fn connected(port: u16) -> MultiplexedConnection {
    let client = redis::Client::open(("127.0.0.1", port)).unwrap();
    eventually(async || {
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        redis::cmd("PING").query_async::<()>(&mut connection).await.ok()?;
        Some(connection)
    })
    .await
}

/// Another client of the same store.
pub(super) struct Client(MultiplexedConnection);

impl Client {
    pub(super) async fn run(&mut self, line: &str) -> String {
        self.try_run(line).await.unwrap()
    }

    pub(super) async fn try_run(&mut self, line: &str) -> redis::RedisResult<String> {
        let mut words = line.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            command.arg(word);
        });
        Ok(match command.query_async(&mut self.0).await? {
            redis::Value::BulkString(text) => String::from_utf8(text).unwrap(),
            redis::Value::Nil => "(nil)".to_owned(),
            other => format!("{other:?}"),
        })
    }

    /// Waits until a key has a value that satisfies.
    pub(super) async fn until(&self, key: &str, satisfies: impl Fn(&str) -> bool) -> String {
        let connection = &self.0;
        eventually(async || {
            let value = Self(connection.clone()).run(&format!("GET {key}")).await;
            satisfies(&value).then_some(value)
        })
        .await
    }
}

/// Tries until there is something.
pub(super) async fn eventually<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let mut pause = tokio::time::interval(Duration::from_millis(5));
    let tries = async {
        loop {
            pause.tick().await;
            if let Some(done) = attempt().await {
                return done;
            }
        }
    };
    timeout(PATIENCE, tries).await.expect("happens in time")
}

/// A primary and its replica, and a sentinel that watches them.
pub(super) struct Watched {
    pub(super) primary: Server,
    pub(super) replica: Server,
    sentinel: Sentinel,
}

impl Watched {
    /// The replica follows by then.
    pub(super) async fn start() -> Self {
        let primary = Server::start().await;
        let replica = Server::start_with(&["--replicaof", "127.0.0.1", &primary.port.to_string()]).await;
        let mut client = replica.client().await;
        eventually(async || {
            let info = client.run("INFO replication").await;
            info.contains("master_link_status:up").then_some(())
        })
        .await;
        let sentinel = Sentinel::start(&primary).await;
        Self { primary, replica, sentinel }
    }

    pub(super) fn place(&self) -> RedisPlace {
        RedisPlace::Sentinel { sentinels: vec![self.sentinel.0.endpoint()], master: "coalmine".to_owned() }
    }

    /// Freezes the primary and gives a client of the replica, which is one now.
    pub(super) async fn fail_over(&self) -> Client {
        let mut client = self.sentinel.0.client().await;
        eventually(async || {
            let info = client.run("INFO sentinel").await;
            info.contains("slaves=1").then_some(())
        })
        .await;
        self.primary.signal("-STOP");
        // The sentinel cuts all connections to a replica that it promotes.
        eventually(async || {
            let role = self.replica.client().await.try_run("ROLE").await.ok()?;
            role.contains("master").then_some(())
        })
        .await;
        self.replica.client().await
    }
}

/// A sentinel that watches one primary by itself.
struct Sentinel(Server);

impl Sentinel {
    async fn start(primary: &Server) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let file = dir.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor coalmine 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds coalmine 500\nsentinel failover-timeout coalmine 3000\n",
            dir.path().display(),
            primary.port,
        );
        std::fs::write(&file, text).unwrap();
        let child = Command::new("redis-server").arg(&file).arg("--sentinel").stdout(Stdio::null()).spawn().unwrap();
        let server = Server { child, dir, port };
        server.client().await;
        Self(server)
    }
}
