//! The commands that are sent to Redis, and what their answers mean.
//!
//! - `read`: what keys hold. `scan`: which there are. `write`: changes, and leases, which only one may get.

mod read;
mod scan;
mod write;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, RedisResult, Value, cmd};

pub(super) use read::{Found, FoundOld};

/// One connection and the prefix of our keys on it.
#[derive(Clone)]
pub(super) struct Store {
    connection: MultiplexedConnection,
    prefix: Vec<u8>,
}

/// Why a connection is given up.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("the connection was closed")]
    Closed,
    #[error("the primary moved")]
    Moved,
    #[error("the server has the role `{0}`, not `master`")]
    Role(String),
    #[error("an answer of an unexpected form")]
    Answer,
    #[error("other old keys are of interest")]
    Rewatched,
    #[error("the one who watched it panicked")]
    Panicked,
}

impl Store {
    pub(super) fn new(connection: MultiplexedConnection, prefix: &str) -> Self {
        Self { connection, prefix: prefix.as_bytes().to_vec() }
    }

    /// Asks to be told of every change under the prefix.
    pub(super) async fn track_prefix(mut self) -> Result<(), Lost> {
        let mut command = tracking();
        command.arg("BCAST").arg("PREFIX").arg(&self.prefix);
        Ok(command.query_async(&mut self.connection).await?)
    }

    /// Asks to be told of the next change of every key that is read.
    pub(super) async fn track_reads(mut self) -> Result<(), Lost> {
        Ok(tracking().query_async(&mut self.connection).await?)
    }

    /// Fails unless the server is a primary.
    pub(super) async fn check_role(mut self) -> Result<(), Lost> {
        let answer: Vec<Value> = cmd("ROLE").query_async(&mut self.connection).await?;
        let role: String = match answer.into_iter().next() {
            Some(Value::BulkString(role)) => String::from_utf8_lossy(&role).into_owned(),
            Some(Value::SimpleString(role)) => role,
            _ => return Err(Lost::Answer),
        };
        if role == "master" { Ok(()) } else { Err(Lost::Role(role)) }
    }

    /// Sends a pipeline whose single commands may fail.
    async fn send(&mut self, pipeline: &Pipeline, count: usize) -> RedisResult<Vec<Value>> {
        self.connection.send_packed_commands(pipeline, 0, count).await
    }

    /// Sends a command. The outer error is the connection's, the inner one the server's word that it will not.
    async fn ask(&mut self, command: &Cmd) -> Result<Result<Value, RedisError>, Lost> {
        match self.connection.send_packed_command(command).await? {
            Value::ServerError(error) => Ok(Err(error.into())),
            value => Ok(Ok(value)),
        }
    }

    fn full(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, key].concat()
    }
}

fn tracking() -> Cmd {
    let mut command = cmd("CLIENT");
    command.arg("TRACKING").arg("ON");
    command
}
