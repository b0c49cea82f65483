//! Against a real Redis. Whoever else writes does so over connections of its own.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{BusError, BusHandle, Watched, channel, parse};
use crate::metrics::Metrics;
use crate::model::{
    Alert, AlertKeys, AlertReading, CompatKey, Endpoint, Owners, RedisPlace, RedisSettings, Secret, ServiceName,
};

/// Within this a change is noticed while the bus is connected. The machine may be busy.
const NOTICED: Duration = Duration::from_millis(250);
/// For everything that takes a start, a timeout or a reconnect.
const PATIENCE: Duration = Duration::from_secs(10);

/// A redis-server of our own, killed on drop.
struct Server {
    child: Child,
    dir: TempDir,
    port: u16,
}

impl Server {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let child = spawn(dir.path(), port, arguments);
        let server = Self { child, dir, port };
        server.client().await;
        server
    }

    /// Ends the server as a crash would.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, empty, on the same port.
    async fn restart(&mut self) {
        self.child = spawn(self.dir.path(), self.port, &[]);
        self.client().await;
    }

    async fn client(&self) -> Client {
        Client(connected(self.port).await)
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint { host: "127.0.0.1".into(), port: self.port }
    }

    fn signal(&self, signal: &str) {
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
struct Client(MultiplexedConnection);

impl Client {
    async fn run(&mut self, line: &str) -> String {
        self.try_run(line).await.unwrap()
    }

    async fn try_run(&mut self, line: &str) -> redis::RedisResult<String> {
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
    async fn until(&self, key: &str, satisfies: impl Fn(&str) -> bool) -> String {
        let connection = &self.0;
        eventually(async || {
            let value = Self(connection.clone()).run(&format!("GET {key}")).await;
            satisfies(&value).then_some(value)
        })
        .await
    }
}

/// Tries until there is something.
async fn eventually<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
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

/// A running bus with the services `app` (key `alert:app`) and `other` (`alert:other`), of which `app` is looked at.
struct Bus {
    handle: BusHandle,
    readings: mpsc::Receiver<AlertReading>,
    metrics: Metrics,
    shutdown: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Bus {
    fn on(server: &Server) -> Self {
        Self::with(RedisPlace::Server { address: server.endpoint(), database: 0 }, vec![])
    }

    fn with(place: RedisPlace, compat: Vec<CompatKey>) -> Self {
        Self::told(settings(place), compat)
    }

    fn told(settings: RedisSettings, compat: Vec<CompatKey>) -> Self {
        let watched = vec![watched("app", compat), watched("other", vec![])];
        Self::run(move |commands, readings, metrics, shutdown| {
            super::redis(settings, watched, commands, readings, metrics.bus, shutdown)
        })
    }

    fn run<F: Future<Output = ()>>(
        bus: impl FnOnce(super::Commands, mpsc::Sender<AlertReading>, Metrics, CancellationToken) -> F + Send + 'static,
    ) -> Self {
        let (handle, commands) = channel();
        let (sender, readings) = mpsc::channel(16);
        let (metrics, shutdown) = (Metrics::new(), CancellationToken::new());
        let (its_metrics, its_shutdown) = (metrics.clone(), shutdown.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(bus(commands, sender, its_metrics, its_shutdown));
        });
        Self { handle, readings, metrics, shutdown, thread: Some(thread) }
    }

    /// The next reading of `app`.
    async fn next(&mut self, patience: Duration) -> AlertReading {
        let next = async {
            loop {
                let reading = self.readings.recv().await.unwrap();
                if reading.service == app() {
                    return reading;
                }
            }
        };
        timeout(patience, next).await.expect("a reading in time")
    }

    async fn expect(&mut self, patience: Duration, owners: &str) {
        assert_eq!(shown(&self.next(patience).await.owners), owners);
    }

    fn connected(&self) -> bool {
        self.metrics.render().contains("\ncoalmine_bus_connected 1")
    }

    async fn until_connected(&self, connected: bool) {
        eventually(async || (self.connected() == connected).then_some(())).await;
    }

    async fn raise(&self, reason: &str) -> String {
        let alert = Alert { reason: reason.into(), by: Some("test".into()) };
        shown(&timeout(NOTICED, self.handle.raise(&app(), alert)).await.unwrap().unwrap())
    }

    async fn clear(&self) -> String {
        shown(&timeout(NOTICED, self.handle.clear(&app())).await.unwrap().unwrap())
    }

    /// Nothing more was told than the tests looked at.
    fn finish(mut self) {
        self.shutdown.cancel();
        self.thread.take().unwrap().join().unwrap();
        while let Ok(reading) = self.readings.try_recv() {
            assert_ne!(reading.service, app(), "told once too often: {reading:?}");
        }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn settings(place: RedisPlace) -> RedisSettings {
    RedisSettings { place, username: String::new(), password: None, tls: false, prefix: "coalmine:".to_owned() }
}

fn app() -> ServiceName {
    ServiceName::new("app").unwrap()
}

fn watched(service: &str, compat: Vec<CompatKey>) -> Watched {
    let keys = AlertKeys { key: format!("alert:{service}"), compat };
    Watched { service: ServiceName::new(service).unwrap(), keys }
}

fn shown(owners: &Owners) -> String {
    let owners: Vec<String> = owners.iter().map(|(owner, alert)| format!("{owner}={}", alert.reason)).collect();
    owners.join(",")
}

#[tokio::test]
async fn the_memory_store_raises_and_clears_and_names_unknown_services() {
    let watched = vec![watched("app", vec![CompatKey::Text("alert".to_owned())])];
    let mut bus = Bus::run(move |commands, readings, metrics, shutdown| {
        super::memory(watched, commands, readings, metrics.bus, shutdown)
    });
    bus.expect(PATIENCE, "").await;
    assert_eq!(bus.raise("p99").await, "api=p99");
    bus.expect(PATIENCE, "api=p99").await;
    assert_eq!(bus.clear().await, "");
    bus.expect(PATIENCE, "").await;
    let unknown = bus.handle.clear(&ServiceName::new("nobody").unwrap()).await;
    assert!(matches!(unknown, Err(BusError::UnknownService(_))));
    assert!(bus.connected());
    let handle = bus.handle.clone();
    bus.finish();
    assert!(matches!(handle.clear(&app()).await, Err(BusError::Stopped)));
}

#[tokio::test]
async fn a_set_and_del_by_another_client_are_noticed() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "").await;
    let before = Instant::now();
    client.run("SET coalmine:alert:app cpu").await;
    let reading = bus.next(NOTICED).await;
    assert_eq!(shown(&reading.owners), "=cpu");
    assert!(reading.seen >= before && reading.seen <= Instant::now());
    client.run("SET coalmine:alert:app cpu").await;
    client.run("SET coalmine:alert:application x").await;
    client.run("SET alert:app x").await;
    client.run("SET coalmine:alert:app off").await;
    bus.expect(NOTICED, "").await;
    client.run("SET coalmine:alert:app memory").await;
    bus.expect(NOTICED, "=memory").await;
    client.run("DEL coalmine:alert:app").await;
    bus.expect(NOTICED, "").await;
    bus.finish();
}

#[tokio::test]
async fn expiry_flushall_and_rename_are_noticed() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "").await;
    client.run("SET coalmine:alert:app short PX 300").await;
    let raised = Instant::now();
    bus.expect(NOTICED, "=short").await;
    bus.expect(Duration::from_millis(300) + NOTICED, "").await;
    assert!(raised.elapsed() >= Duration::from_millis(290));
    client.run("SET coalmine:alert:app:monitor x").await;
    bus.expect(NOTICED, "monitor=x").await;
    client.run("RENAME coalmine:alert:app:monitor coalmine:alert:app:pager").await;
    let mut renamed = bus.next(NOTICED).await;
    // The two halves of a rename may be told apart.
    while shown(&renamed.owners) != "pager=x" {
        renamed = bus.next(NOTICED).await;
    }
    client.run("FLUSHALL").await;
    bus.expect(NOTICED, "").await;
    bus.finish();
}

#[tokio::test]
async fn two_owners_keep_the_alert_until_both_clear() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.run("SET coalmine:alert:app:a x").await;
    client.run(r#"SET coalmine:alert:app:b {"reason":"y","by":"monitor"}"#).await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "a=x,b=y").await;
    client.run("DEL coalmine:alert:app:a").await;
    bus.expect(NOTICED, "b=y").await;
    client.run("SET coalmine:alert:app:b 0").await;
    bus.expect(NOTICED, "").await;
    client.run("LPUSH coalmine:alert:app x").await;
    bus.expect(NOTICED, &format!("={}", parse::wrong_type().reason)).await;
    bus.finish();
}

#[tokio::test]
async fn a_local_raise_is_written_as_json_and_a_clear_removes_it() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "").await;
    assert_eq!(bus.raise("p99").await, "api=p99");
    bus.expect(NOTICED, "api=p99").await;
    let written = client.until("coalmine:alert:app:api", |value| value.starts_with('{')).await;
    assert_eq!(written, r#"{"reason":"p99","by":"test"}"#);
    client.run("SET coalmine:alert:app x").await;
    bus.expect(NOTICED, "=x,api=p99").await;
    client.run("SET coalmine:alert:app:monitor y").await;
    bus.expect(NOTICED, "=x,api=p99,monitor=y").await;
    assert_eq!(bus.clear().await, "monitor=y");
    bus.expect(NOTICED, "monitor=y").await;
    client.until("coalmine:alert:app:api", |value| value == "(nil)").await;
    client.until("coalmine:alert:app", |value| value == "(nil)").await;
    bus.finish();
}

#[tokio::test]
async fn a_restarted_server_is_read_again_before_the_state_that_was_held_is_given_up() {
    let mut server = Server::start().await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "").await;
    server.client().await.run("SET coalmine:alert:app:a x").await;
    bus.expect(NOTICED, "a=x").await;
    server.kill();
    bus.until_connected(false).await;
    server.restart().await;
    server.client().await.run("SET coalmine:alert:app:b y").await;
    let mut owners = shown(&bus.next(PATIENCE).await.owners);
    while owners != "b=y" {
        owners = shown(&bus.next(PATIENCE).await.owners);
    }
    bus.until_connected(true).await;
    server.client().await.run("DEL coalmine:alert:app:b").await;
    bus.expect(NOTICED, "").await;
    bus.finish();
}

#[tokio::test]
async fn a_raise_while_the_store_is_away_is_in_force_at_once_and_written_later() {
    let mut server = Server::start().await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "").await;
    server.kill();
    bus.until_connected(false).await;
    assert_eq!(bus.raise("p99").await, "api=p99");
    bus.expect(NOTICED, "api=p99").await;
    server.restart().await;
    let mut client = server.client().await;
    client.until("coalmine:alert:app:api", |value| value.contains("p99")).await;
    bus.until_connected(true).await;
    client.run("DEL coalmine:alert:app:api").await;
    bus.expect(NOTICED, "").await;
    bus.finish();
}

#[tokio::test]
async fn a_clear_while_the_store_is_frozen_removes_what_stood_and_not_what_came_after() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.run("SET coalmine:alert:app old").await;
    client.run("SET coalmine:alert:app:api old").await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "=old,api=old").await;
    let mut rival = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    rival.write_all(b"PING\r\n").unwrap();
    rival.read_exact(&mut [0; 7]).unwrap();
    server.signal("-STOP");
    bus.until_connected(false).await;
    assert_eq!(bus.clear().await, "");
    bus.expect(NOTICED, "").await;
    // In the server's hands before anything that a new connection sends.
    rival.write_all(b"SET coalmine:alert:app newer\r\n").unwrap();
    server.signal("-CONT");
    bus.expect(PATIENCE, "=newer").await;
    client.until("coalmine:alert:app:api", |value| value == "(nil)").await;
    assert_eq!(client.run("GET coalmine:alert:app").await, "newer");
    bus.finish();
}

#[tokio::test]
async fn a_killed_connection_heals_and_tracks_again() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "").await;
    for round in ["1st", "2nd", "3rd"] {
        client.run("CLIENT KILL TYPE normal SKIPME yes").await;
        eventually(async || {
            let info = client.run("INFO clients").await;
            info.contains("tracking_clients:1").then_some(())
        })
        .await;
        client.run(&format!("SET coalmine:alert:app {round}")).await;
        bus.expect(NOTICED, &format!("={round}")).await;
    }
    bus.finish();
}

#[tokio::test]
async fn a_server_that_is_away_at_the_start_is_waited_for() {
    let mut server = Server::start().await;
    server.kill();
    let mut bus = Bus::on(&server);
    assert_eq!(bus.raise("early").await, "api=early");
    server.restart().await;
    bus.expect(PATIENCE, "api=early").await;
    bus.finish();
}

#[tokio::test]
async fn old_keys_are_watched_and_the_gap_of_a_pop_and_push_is_not_an_end() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let old = vec![CompatKey::List("alertValThreshold".to_owned()), CompatKey::Text("alert".to_owned())];
    let mut bus = Bus::with(RedisPlace::Server { address: server.endpoint(), database: 0 }, old);
    bus.expect(PATIENCE, "").await;
    client.run("LPUSH alertValThreshold yes").await;
    bus.expect(NOTICED, "compat:alertValThreshold=yes").await;
    for _ in 0..20 {
        client.run("LPOP alertValThreshold").await;
        client.run("LPUSH alertValThreshold yes").await;
    }
    client.run("SET alert 1").await;
    bus.expect(NOTICED, "compat:alert=1,compat:alertValThreshold=yes").await;
    client.run("LPUSH alertValThreshold no").await;
    bus.expect(NOTICED, "compat:alert=1").await;
    client.run("LPUSH alertValThreshold yes").await;
    bus.expect(NOTICED, "compat:alert=1,compat:alertValThreshold=yes").await;
    client.run("DEL alertValThreshold").await;
    bus.expect(Duration::from_millis(500) + NOTICED, "compat:alert=1").await;
    client.run("CLIENT KILL TYPE normal SKIPME yes").await;
    client.run("SET alert 0").await;
    bus.expect(PATIENCE, "").await;
    bus.finish();
}

#[tokio::test]
async fn a_failover_by_sentinel_is_followed() {
    let primary = Server::start().await;
    let replica = Server::start_with(&["--replicaof", "127.0.0.1", &primary.port.to_string()]).await;
    let mut replica_client = replica.client().await;
    eventually(async || {
        let info = replica_client.run("INFO replication").await;
        info.contains("master_link_status:up").then_some(())
    })
    .await;
    let sentinel = Sentinel::start(&primary).await;
    let place = RedisPlace::Sentinel { sentinels: vec![sentinel.0.endpoint()], master: "coalmine".to_owned() };
    let mut bus = Bus::with(place, vec![CompatKey::Text("alert".to_owned())]);
    bus.expect(PATIENCE, "").await;
    primary.client().await.run("SET coalmine:alert:app x").await;
    bus.expect(NOTICED, "=x").await;
    replica_client.until("coalmine:alert:app", |value| value == "x").await;
    let mut client = sentinel.0.client().await;
    eventually(async || {
        let info = client.run("INFO sentinel").await;
        info.contains("slaves=1").then_some(())
    })
    .await;
    primary.signal("-STOP");
    // The sentinel cuts all connections to a replica that it promotes.
    eventually(async || {
        let role = replica.client().await.try_run("ROLE").await.ok()?;
        role.contains("master").then_some(())
    })
    .await;
    let mut replica_client = replica.client().await;
    replica_client.run("SET coalmine:alert:app:moved y").await;
    bus.expect(PATIENCE, "=x,moved=y").await;
    replica_client.run("SET alert 1").await;
    bus.expect(PATIENCE, "=x,compat:alert=1,moved=y").await;
    bus.finish();
}

#[tokio::test]
async fn a_restricted_user_a_password_and_a_database_suffice() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.run("SELECT 3").await;
    client.run("SET coalmine:alert:app x").await;
    client
        .run(
            "ACL SETUSER balancer on >secret resetkeys ~coalmine:* ~alert resetchannels -@all \
             +hello +client|tracking +getrange +pttl +scan +set +del +lrange +select",
        )
        .await;
    client.run("CONFIG SET requirepass other").await;
    let place = RedisPlace::Server { address: server.endpoint(), database: 3 };
    let password = Some(Secret::new("secret".to_owned()));
    let settings = RedisSettings { username: "balancer".to_owned(), password, ..settings(place) };
    let mut bus = Bus::told(settings, vec![CompatKey::Text("alert".to_owned())]);
    bus.expect(PATIENCE, "=x").await;
    client.run("SET alert 1").await;
    bus.expect(NOTICED, "=x,compat:alert=1").await;
    assert_eq!(bus.clear().await, "compat:alert=1");
    bus.expect(NOTICED, "compat:alert=1").await;
    client.until("coalmine:alert:app", |value| value == "(nil)").await;
    bus.finish();
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
