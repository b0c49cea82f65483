//! How a connection to Redis is made: one that tells what it was pushed, to the server itself or to the primary that
//! sentinels name.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::aio::{MultiplexedConnection, SendError};
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind,
    RedisConnectionInfo, RedisError, RedisResult, TlsMode, Value,
};
use tokio::sync::{mpsc, watch};

use super::alerts::Key;
use crate::model::{Endpoint, RedisPlace, RedisSettings};

/// For a connection to one server. Finding the primary first may take several of them.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const FIND_TIMEOUT: Duration = Duration::from_secs(3);
/// A server that leaves a command unanswered for so long is dead.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Pushes that may wait. More of them are replaced by one whole read.
const PUSHES: usize = 1024;

/// Makes connections. A clone makes the same ones.
#[derive(Clone)]
pub(super) struct Connector {
    settings: Arc<RedisSettings>,
    /// Changes when a sentinel says that the primary moved.
    switched: watch::Receiver<u64>,
}

/// A live connection and what it is told.
pub(super) struct Link {
    pub(super) connection: MultiplexedConnection,
    pub(super) pushes: Pushes,
    /// Changes when a sentinel says that the primary moved.
    pub(super) switched: watch::Receiver<u64>,
}

/// Something the server said unasked.
pub(super) enum Push {
    /// These keys changed, and when that was heard.
    Changed(Vec<Key>, Instant),
    /// Any key may have changed.
    Everything(Instant),
    /// The connection is gone.
    Closed,
}

/// The pushes of one connection.
pub(super) struct Pushes {
    receiver: mpsc::Receiver<Push>,
    overflowed: Arc<AtomicBool>,
}

impl Connector {
    pub(super) fn new(settings: RedisSettings, switched: watch::Receiver<u64>) -> Self {
        Self { settings: Arc::new(settings), switched }
    }

    /// Connects and passes on the changed keys that `wanted` names.
    pub(super) async fn connect(&self, wanted: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> RedisResult<Link> {
        let mut switched = self.switched.clone();
        // What was said up to now is answered by this very connection.
        switched.mark_unchanged();
        let (sender, receiver) = mpsc::channel(PUSHES);
        let overflowed = Arc::new(AtomicBool::new(false));
        let pushes = Pushes { receiver, overflowed: overflowed.clone() };
        // Runs inside the task that reads the connection: never blocks.
        let push = move |info: PushInfo| {
            match Push::parse(info, &wanted).map(|push| sender.try_send(push)) {
                Some(Err(mpsc::error::TrySendError::Full(_))) => overflowed.store(true, Ordering::Relaxed),
                Some(Err(mpsc::error::TrySendError::Closed(_))) => return Err(SendError),
                Some(Ok(())) | None => {}
            }
            Ok(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_push_sender(push);
        let client = tokio::time::timeout(FIND_TIMEOUT, self.client()).await.map_err(timed_out)??;
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(Link { connection, pushes, switched })
    }

    /// Whether the server has to prove that it is the primary.
    pub(super) fn checks_role(&self) -> bool {
        matches!(self.settings.place, RedisPlace::Sentinel { .. })
    }

    pub(super) fn prefix(&self) -> &str {
        &self.settings.prefix
    }

    async fn client(&self) -> RedisResult<Client> {
        match &self.settings.place {
            RedisPlace::Server { address, database } => self.server(address, *database),
            RedisPlace::Sentinel { sentinels, master } => self.primary(sentinels, master).await,
        }
    }

    fn server(&self, address: &Endpoint, database: i64) -> RedisResult<Client> {
        let mut redis = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_skip_set_lib_name()
            .set_db(database);
        if !self.settings.username.is_empty() {
            redis = redis.set_username(&self.settings.username);
        }
        if let Some(password) = &self.settings.password {
            redis = redis.set_password(password.reveal());
        }
        let info = self.address(address).into_connection_info()?;
        Client::open(info.set_tcp_settings(tcp_settings()).set_redis_settings(redis))
    }

    async fn primary(&self, sentinels: &[Endpoint], master: &str) -> RedisResult<Client> {
        let addresses = sentinels.iter().map(|sentinel| self.address(sentinel));
        let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?
            .set_client_to_redis_protocol(ProtocolVersion::RESP3)
            .set_client_to_redis_tcp_settings(tcp_settings())
            .set_client_to_sentinel_protocol(ProtocolVersion::RESP3)
            .set_client_to_sentinel_tcp_settings(tcp_settings());
        if self.settings.tls {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        if !self.settings.username.is_empty() {
            builder = builder.set_client_to_redis_username(&self.settings.username);
        }
        if let Some(password) = &self.settings.password {
            builder = builder
                .set_client_to_redis_password(password.reveal())
                // As the default user, who takes any password where none is set.
                .set_client_to_sentinel_password(password.reveal());
        }
        builder.build()?.async_get_client().await
    }

    fn address(&self, endpoint: &Endpoint) -> ConnectionAddr {
        let (host, port) = (endpoint.host.to_string(), endpoint.port);
        if self.settings.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        }
    }

    /// Connects to one sentinel and calls `heard` with every message; `None` when the connection is gone.
    pub(super) async fn sentinel(
        &self,
        sentinel: &Endpoint,
        heard: impl Fn(Option<&[Value]>) + Send + Sync + 'static,
    ) -> RedisResult<MultiplexedConnection> {
        let mut redis = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        if let Some(password) = &self.settings.password {
            redis = redis.set_password(password.reveal());
        }
        let info = self.address(sentinel).into_connection_info()?;
        let client = Client::open(info.set_tcp_settings(tcp_settings()).set_redis_settings(redis))?;
        let push = move |info: PushInfo| -> Result<(), SendError> {
            match info.kind {
                PushKind::Disconnection => heard(None),
                PushKind::Message => heard(Some(&info.data)),
                _ => {}
            }
            Ok(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_push_sender(push);
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Where the store is, for people.
    pub(super) fn place(&self) -> String {
        match &self.settings.place {
            RedisPlace::Server { address, .. } => address.to_string(),
            RedisPlace::Sentinel { sentinels, master } => {
                let sentinels: Vec<String> = sentinels.iter().map(ToString::to_string).collect();
                format!("{master} by {}", sentinels.join(", "))
            }
        }
    }
}

impl Push {
    /// `None`: nothing of ours.
    fn parse(info: PushInfo, wanted: &impl Fn(&[u8]) -> bool) -> Option<Self> {
        let heard = Instant::now();
        match info.kind {
            PushKind::Disconnection => Some(Self::Closed),
            PushKind::Invalidate => match info.data.into_iter().next() {
                Some(Value::Array(keys)) => {
                    let keys: Vec<Key> = keys
                        .into_iter()
                        .filter_map(|key| match key {
                            Value::BulkString(key) if wanted(&key) => Some(key),
                            _ => None,
                        })
                        .collect();
                    (!keys.is_empty()).then_some(Self::Changed(keys, heard))
                }
                _ => Some(Self::Everything(heard)),
            },
            _ => None,
        }
    }
}

impl Pushes {
    /// All that was pushed since the last call, as one, with the time of the first. Cancel safe.
    pub(super) async fn next(&mut self) -> Push {
        let Some(mut merged) = self.receiver.recv().await else { return Push::Closed };
        while let Ok(push) = self.receiver.try_recv() {
            merged = merged.merge(push);
        }
        if self.overflowed.swap(false, Ordering::Relaxed) {
            let at = Instant::now();
            merged = merged.merge(Push::Everything(at));
        }
        merged
    }
}

impl Push {
    /// `self` is the earlier one.
    fn merge(self, later: Self) -> Self {
        match (self, later) {
            (Self::Closed, _) | (_, Self::Closed) => Self::Closed,
            (Self::Changed(mut keys, heard), Self::Changed(more, _)) => {
                keys.extend(more);
                Self::Changed(keys, heard)
            }
            (Self::Everything(heard), _) | (Self::Changed(_, heard), Self::Everything(_)) => Self::Everything(heard),
        }
    }
}

/// Small commands that are answered one by one must not wait for each other's acknowledgements.
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn timed_out(_: tokio::time::error::Elapsed) -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "no sentinel named a living primary in time").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalidated(keys: &[&str]) -> PushInfo {
        let keys = keys.iter().map(|key| Value::BulkString(key.as_bytes().to_vec())).collect();
        PushInfo { kind: PushKind::Invalidate, data: vec![Value::Array(keys)] }
    }

    #[test]
    fn strangers_keys_are_dropped_and_a_nil_invalidation_is_everything() {
        let wanted = |key: &[u8]| key == b"a";
        assert!(Push::parse(invalidated(&["b"]), &wanted).is_none());
        let Some(Push::Changed(keys, _)) = Push::parse(invalidated(&["b", "a"]), &wanted) else { panic!() };
        assert_eq!(keys, [b"a"]);
        let nil = PushInfo { kind: PushKind::Invalidate, data: vec![Value::Nil] };
        assert!(matches!(Push::parse(nil, &wanted), Some(Push::Everything(_))));
    }

    #[tokio::test]
    async fn pushes_are_taken_as_one_and_too_many_of_them_are_everything() {
        let (sender, receiver) = mpsc::channel(2);
        let overflowed = Arc::new(AtomicBool::new(false));
        let mut pushes = Pushes { receiver, overflowed: overflowed.clone() };
        let first = Instant::now();
        for (key, at) in [("a", first), ("b", first + Duration::from_secs(1))] {
            sender.try_send(Push::Changed(vec![key.into()], at)).unwrap();
        }
        let Push::Changed(keys, heard) = pushes.next().await else { panic!() };
        assert_eq!((keys.len(), heard), (2, first));

        sender.try_send(Push::Changed(vec![b"a".to_vec()], first)).unwrap();
        overflowed.store(true, Ordering::Relaxed);
        assert!(matches!(pushes.next().await, Push::Everything(heard) if heard == first));
        drop(sender);
        assert!(matches!(pushes.next().await, Push::Closed));
    }
}
