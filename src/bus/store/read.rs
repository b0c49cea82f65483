//! What keys hold.

use std::time::{Duration, Instant};

use redis::{Cmd, RedisError, Value, cmd, pipe};

use super::{Lost, Store};
use crate::bus::key::Key;
use crate::bus::parse::{self, Raw};
use crate::model::{Alert, CompatKey};

/// Keys that are read in one pipeline.
const BATCH: usize = 256;
/// A key is looked at again so long after its time ran out by our clock.
const EXPIRY_GRACE: Duration = Duration::from_millis(2);
/// At least so long passes before a key that should have run out is looked at again.
const EXPIRY_RETRY: Duration = Duration::from_millis(5);
/// At most so long: what lies further ahead is known from a later read.
const EXPIRY_HORIZON: Duration = Duration::from_secs(3600);

/// What a key holds, and when to look again because its time runs out.
pub(in crate::bus) struct Found {
    pub(in crate::bus) key: Key,
    pub(in crate::bus) raw: Raw,
    pub(in crate::bus) expires: Option<Instant>,
}

/// What an old key holds.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::bus) enum FoundOld {
    Absent,
    Clear,
    Alert(Alert),
}

impl Store {
    pub(in crate::bus) async fn read(mut self, keys: Vec<Key>) -> Result<Vec<Found>, Lost> {
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
                found.push(Found { key: key.clone(), raw: raw(value)?, expires: expiry(ttl, Instant::now()) });
            }
        }
        Ok(found)
    }

    pub(in crate::bus) async fn read_old(mut self, keys: Vec<CompatKey>) -> Result<Vec<FoundOld>, Lost> {
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
        values.iter().map(|value| Ok(FoundOld::new(&raw(value)?))).collect()
    }
}

impl FoundOld {
    fn new(raw: &Raw) -> Self {
        let alert = match raw {
            Raw::Absent => return Self::Absent,
            Raw::Bytes(bytes) => parse::value(bytes),
            Raw::WrongType => Some(parse::wrong_type()),
        };
        alert.map_or(Self::Clear, Self::Alert)
    }
}

/// The answer to GETRANGE, or to LRANGE of one element.
fn raw(value: &Value) -> Result<Raw, Lost> {
    match value {
        Value::Nil => Ok(Raw::Absent),
        Value::BulkString(bytes) => Ok(Raw::Bytes(bytes.clone())),
        Value::SimpleString(text) => Ok(Raw::Bytes(text.as_bytes().to_vec())),
        Value::Array(elements) => match elements.as_slice() {
            [] => Ok(Raw::Absent),
            [Value::BulkString(bytes), ..] => Ok(Raw::Bytes(bytes.get(..parse::MAX_VALUE).unwrap_or(bytes).to_vec())),
            _ => Err(Lost::Answer),
        },
        Value::ServerError(error) if error.code() == "WRONGTYPE" => Ok(Raw::WrongType),
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

/// When to look again at a key of which `PTTL` was answered.
fn expiry(ttl: &Value, now: Instant) -> Option<Instant> {
    let Value::Int(milliseconds) = ttl else { return None };
    let left = Duration::from_millis(u64::try_from(*milliseconds).ok()?);
    now.checked_add((left + EXPIRY_GRACE).clamp(EXPIRY_RETRY, EXPIRY_HORIZON))
}

#[cfg(test)]
mod tests {
    use super::*;

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
