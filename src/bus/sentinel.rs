//! Listens to one sentinel for the news that the primary moved.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value, cmd};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::connect::Connector;
use crate::model::Endpoint;

const CHANNEL: &str = "+switch-master";
/// How often a sentinel is asked whether it is still there.
const CHECK: Duration = Duration::from_secs(1);

/// Counts `switched` up whenever the sentinel says that `master` moved. Connects again for ever, until `shutdown`.
pub(super) async fn follow(
    connector: Connector,
    sentinel: Endpoint,
    master: String,
    switched: Arc<watch::Sender<u64>>,
    shutdown: CancellationToken,
) {
    let mut backoff = Backoff::new();
    let listen = async {
        loop {
            let gone = Arc::new(Notify::new());
            let result = subscribe(&connector, &sentinel, &master, &switched, &gone).await;
            match result {
                Ok(connection) => {
                    backoff.reset();
                    tokio::select! {
                        () = gone.notified() => {}
                        () = checked(connection) => {}
                    }
                }
                Err(error) => tracing::debug!(%sentinel, %error, "sentinel does not answer"),
            }
            tokio::time::sleep(backoff.next(fastrand::f64())).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = listen => {}
    }
}

async fn subscribe(
    connector: &Connector,
    sentinel: &Endpoint,
    master: &str,
    switched: &Arc<watch::Sender<u64>>,
    gone: &Arc<Notify>,
) -> RedisResult<MultiplexedConnection> {
    let (switched, gone, start) = (switched.clone(), gone.clone(), format!("{master} "));
    let heard = move |message: Option<&[Value]>| match message {
        None => gone.notify_one(),
        Some([_, Value::BulkString(text)]) if text.starts_with(start.as_bytes()) => {
            switched.send_modify(|count| *count += 1);
        }
        Some(_) => {}
    };
    let mut connection = connector.sentinel(sentinel, heard).await?;
    connection.subscribe(CHANNEL).await?;
    Ok(connection)
}

/// Ends when the sentinel does not answer any more.
async fn checked(mut connection: MultiplexedConnection) {
    loop {
        tokio::time::sleep(CHECK).await;
        if connection.send_packed_command(&cmd("PING")).await.is_err() {
            return;
        }
    }
}
