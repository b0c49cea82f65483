//! How a connection to Redis is made: one that tells what it was pushed, to the server itself or to the primary that
//! sentinels name.

mod push;

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, SendError};
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind,
    RedisConnectionInfo, RedisError, RedisResult, TlsMode, Value,
};
use tokio::sync::watch;

use crate::model::{Endpoint, RedisPlace, RedisSettings};

pub(super) use push::{Push, Pushes};

/// For a connection to one server. Finding the primary first may take several of them.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const FIND_TIMEOUT: Duration = Duration::from_secs(3);
/// A server that leaves a command unanswered for so long is dead.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

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

impl Connector {
    pub(super) fn new(settings: RedisSettings, switched: watch::Receiver<u64>) -> Self {
        Self { settings: Arc::new(settings), switched }
    }

    /// Connects and passes on the changed keys that `wanted` names.
    pub(super) async fn connect(&self, wanted: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> RedisResult<Link> {
        let mut switched = self.switched.clone();
        // What was said up to now is answered by this very connection.
        switched.mark_unchanged();
        let (push, pushes) = push::channel(wanted);
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

/// Small commands that are answered one by one must not wait for each other's acknowledgements.
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn timed_out(_: tokio::time::error::Elapsed) -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "no sentinel named a living primary in time").into()
}
