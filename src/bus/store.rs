//! The commands that are sent to Redis, and what their answers mean.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, RedisResult, Value, cmd, pipe};

use super::alerts::{Change, Key, MAX_KEYS, Write, is_under};
use super::parse;
use crate::model::{Alert, CompatKey};

/// Keys that are read in one pipeline.
const BATCH: usize = 256;
/// Keys that one SCAN call looks at.
const SCAN_COUNT: usize = 1000;
/// A key is looked at again so long after its time ran out by our clock.
const EXPIRY_GRACE: Duration = Duration::from_millis(2);
/// At least so long passes before a key that should have run out is looked at again.
const EXPIRY_RETRY: Duration = Duration::from_millis(5);
/// At most so long: what lies further ahead is known from a later read.
const EXPIRY_HORIZON: Duration = Duration::from_secs(3600);

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
}

/// What a key holds, and when to look again because its time runs out.
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) alert: Option<Alert>,
    pub(super) expires: Option<Instant>,
}

/// What an old key holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FoundOld {
    Absent,
    Clear,
    Alert(Alert),
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

    pub(super) async fn read(mut self, keys: Vec<Key>) -> Result<Vec<Found>, Lost> {
        let mut found = Vec::with_capacity(keys.len());
        for batch in keys.chunks(BATCH) {
            let mut pipeline = pipe();
            for key in batch {
                let key = self.full(key);
                pipeline.add_command(get(&key)).cmd("PTTL").arg(&key);
            }
            let values = self.send(&pipeline, batch.len() * 2).await?;
            for (key, pair) in batch.iter().zip(values.chunks(2)) {
                let [value, ttl] = pair else { return Err(Lost::Answer) };
                let alert = text(value)?.alert();
                found.push(Found { key: key.clone(), alert, expires: expiry(ttl, Instant::now()) });
            }
        }
        Ok(found)
    }

    pub(super) async fn read_old(mut self, keys: Vec<CompatKey>) -> Result<Vec<FoundOld>, Lost> {
        let mut pipeline = pipe();
        for key in &keys {
            match key {
                CompatKey::List(key) => pipeline.cmd("LRANGE").arg(key).arg(0).arg(0),
                CompatKey::Text(key) => pipeline.add_command(get(key.as_bytes())),
            };
        }
        let values = self.send(&pipeline, keys.len()).await?;
        if values.len() != keys.len() {
            return Err(Lost::Answer);
        }
        values.iter().map(|value| Ok(text(value)?.old())).collect()
    }

    /// All keys that are one of `roots` or `<root>:<owner>`. Visits every key of the server, a little at a time.
    pub(super) async fn scan(mut self, roots: Vec<Key>) -> Result<Vec<Key>, Lost> {
        let mut pattern = glob_escaped(&self.full(&shared_start(&roots)));
        pattern.push(b'*');
        let mut found = BTreeSet::new();
        let mut cursor = 0_u64;
        loop {
            let mut command = cmd("SCAN");
            command.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_COUNT);
            let (next, page): (u64, Vec<Key>) = command.query_async(&mut self.connection).await?;
            let keys = page.into_iter().filter_map(|key| Some(key.strip_prefix(self.prefix.as_slice())?.to_vec()));
            found.extend(keys.filter(|key| roots.iter().any(|root| is_under(key, root))));
            cursor = next;
            if cursor == 0 || found.len() > MAX_KEYS {
                return Ok(found.into_iter().collect());
            }
        }
    }

    /// The outer error is the connection's, the inner one the server's word that it will not.
    pub(super) async fn write(mut self, write: Write) -> Result<Result<(), RedisError>, Lost> {
        let key = self.full(&write.key);
        let command = match &write.change {
            Change::Raise(alert) => {
                let mut command = cmd("SET");
                command.arg(&key).arg(parse::encode(alert));
                command
            }
            Change::Clear { .. } => {
                let mut command = cmd("DEL");
                command.arg(&key);
                command
            }
        };
        match self.connection.send_packed_command(&command).await? {
            Value::ServerError(error) => Ok(Err(error.into())),
            _ => Ok(Ok(())),
        }
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

    fn full(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, key].concat()
    }
}

/// The value of a key as it was answered.
enum Text<'a> {
    Absent,
    Bytes(&'a [u8]),
    WrongType,
}

impl Text<'_> {
    fn alert(&self) -> Option<Alert> {
        match self {
            Self::Absent => None,
            Self::Bytes(bytes) => parse::value(bytes),
            Self::WrongType => Some(parse::wrong_type()),
        }
    }

    fn old(&self) -> FoundOld {
        match (self, self.alert()) {
            (Self::Absent, _) => FoundOld::Absent,
            (_, None) => FoundOld::Clear,
            (_, Some(alert)) => FoundOld::Alert(alert),
        }
    }
}

/// The answer to GETRANGE, or to LRANGE of one element.
fn text(value: &Value) -> Result<Text<'_>, Lost> {
    match value {
        Value::Nil => Ok(Text::Absent),
        Value::BulkString(bytes) => Ok(Text::Bytes(bytes)),
        Value::SimpleString(text) => Ok(Text::Bytes(text.as_bytes())),
        Value::Array(elements) => match elements.as_slice() {
            [] => Ok(Text::Absent),
            [Value::BulkString(bytes), ..] => Ok(Text::Bytes(bytes.get(..parse::MAX_VALUE).unwrap_or(bytes))),
            _ => Err(Lost::Answer),
        },
        Value::ServerError(error) if error.code() == "WRONGTYPE" => Ok(Text::WrongType),
        Value::ServerError(error) => Err(RedisError::from(error.clone()).into()),
        _ => Err(Lost::Answer),
    }
}

/// A value is read no further than it is looked at; an absent key reads as empty.
fn get(key: &[u8]) -> Cmd {
    let mut command = cmd("GETRANGE");
    command.arg(key).arg(0).arg(parse::MAX_VALUE - 1);
    command
}

fn tracking() -> Cmd {
    let mut command = cmd("CLIENT");
    command.arg("TRACKING").arg("ON");
    command
}

/// When to look again at a key of which `PTTL` was answered.
fn expiry(ttl: &Value, now: Instant) -> Option<Instant> {
    let Value::Int(milliseconds) = ttl else { return None };
    let left = Duration::from_millis(u64::try_from(*milliseconds).ok()?);
    now.checked_add((left + EXPIRY_GRACE).clamp(EXPIRY_RETRY, EXPIRY_HORIZON))
}

/// The longest start that all have in common.
fn shared_start(keys: &[Key]) -> Key {
    let Some((first, others)) = keys.split_first() else { return Key::new() };
    let length = others
        .iter()
        .fold(first.len(), |length, key| first.iter().zip(key).take(length).take_while(|(a, b)| a == b).count());
    first[..length].to_vec()
}

fn glob_escaped(text: &[u8]) -> Vec<u8> {
    let special = |byte: &u8| b"*?[]^-\\".contains(byte);
    text.iter().flat_map(|byte| special(byte).then_some(b'\\').into_iter().chain([*byte])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_pattern_takes_no_special_character_from_a_key() {
        assert_eq!(glob_escaped(b"a*[b]?\\"), b"a\\*\\[b\\]\\?\\\\");
    }

    #[test]
    fn one_scan_serves_all_keys_by_their_shared_start() {
        assert_eq!(shared_start(&[b"alert:a".to_vec(), b"alert:b".to_vec()]), b"alert:");
        assert_eq!(shared_start(&[b"alert".to_vec()]), b"alert");
        assert_eq!(shared_start(&[b"a".to_vec(), b"b".to_vec()]), b"");
    }

    #[test]
    fn a_key_is_looked_at_again_just_after_its_time_and_never_at_once() {
        let now = Instant::now();
        assert_eq!(expiry(&Value::Int(-1), now), None);
        assert_eq!(expiry(&Value::Int(-2), now), None);
        assert_eq!(expiry(&Value::Int(0), now), Some(now + EXPIRY_RETRY));
        assert_eq!(expiry(&Value::Int(300), now), Some(now + Duration::from_millis(302)));
        assert_eq!(expiry(&Value::Int(i64::MAX), now), Some(now + EXPIRY_HORIZON));
    }
}
