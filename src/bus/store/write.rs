//! Changes.

use std::time::Duration;

use redis::{Cmd, RedisError, Value, cmd};

use super::{Lost, Store};
use crate::bus::board::{Change, Write};
use crate::bus::parse::MAX_VALUE;
use crate::model::CompatKey;

/// Changes a key only while it holds what the caller has seen: an empty new value removes it.
const SWAP: &str = "\
if redis.call('GETRANGE', KEYS[1], 0, ARGV[4]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1";

/// Puts a word at the head of a list, which keeps its tail: at no moment is it empty or gone.
const SET_HEAD: &str = "\
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('LSET', KEYS[1], 0, ARGV[1])
else redis.call('RPUSH', KEYS[1], ARGV[1]) end
if ARGV[2] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1";

/// What the server said to a change; an error is its word that it will not.
type Answer<T> = Result<Result<T, RedisError>, Lost>;

impl Store {
    /// Makes a change, whatever stands.
    pub(in crate::bus) async fn write(mut self, write: Write) -> Answer<()> {
        let key = self.full(&write.key);
        let command = match &write.change {
            Change::Put { held, lifetime } => set(&key, &held.text(), *lifetime),
            Change::Remove { .. } => {
                let mut command = cmd("DEL");
                command.arg(&key);
                command
            }
        };
        Ok(self.ask(&command).await?.map(|_| ()))
    }

    /// Sets a key that nobody has set; `false`: somebody has.
    pub(in crate::bus) async fn claim(
        mut self,
        key: Vec<u8>,
        text: String,
        lifetime: Option<Duration>,
    ) -> Answer<bool> {
        let mut command = set(&self.full(&key), &text, lifetime);
        command.arg("NX");
        Ok(self.ask(&command).await?.map(|value| value != Value::Nil))
    }

    /// Sets a key that holds `before` to something else, or removes it; `false`: it holds something else by now.
    pub(in crate::bus) async fn swap(
        mut self,
        key: Vec<u8>,
        before: Vec<u8>,
        after: Option<(String, Duration)>,
    ) -> Answer<bool> {
        let (text, lifetime) = after.unwrap_or_default();
        let mut command = cmd("EVAL");
        command.arg(SWAP).arg(1).arg(self.full(&key));
        command.arg(before).arg(text).arg(milliseconds(lifetime)).arg(MAX_VALUE - 1);
        Ok(self.ask(&command).await?.map(|value| value == Value::Int(1)))
    }
}

impl Store {
    /// Sets a key under the prefix to a text, whatever stands; `None` removes it.
    pub(in crate::bus) async fn state(
        mut self,
        key: &str,
        text: Option<&str>,
        lifetime: Option<Duration>,
    ) -> Answer<()> {
        let key = self.full(key.as_bytes());
        let command = match text {
            Some(text) => set(&key, text, lifetime),
            None => {
                let mut command = cmd("DEL");
                command.arg(&key);
                command
            }
        };
        Ok(self.ask(&command).await?.map(|_| ()))
    }

    /// Raises or clears an alert under an old name.
    pub(in crate::bus) async fn state_old(
        mut self,
        key: &CompatKey,
        raised: bool,
        lifetime: Option<Duration>,
    ) -> Answer<()> {
        let command = match key {
            CompatKey::Text(key) => set(key.as_bytes(), if raised { "1" } else { "0" }, lifetime),
            CompatKey::List(key) => {
                let mut command = cmd("EVAL");
                command.arg(SET_HEAD).arg(1).arg(key).arg(if raised { "yes" } else { "no" });
                command.arg(lifetime.map_or_else(String::new, |lifetime| milliseconds(lifetime).to_string()));
                command
            }
        };
        Ok(self.ask(&command).await?.map(|_| ()))
    }
}

fn set(key: &[u8], text: &str, lifetime: Option<Duration>) -> Cmd {
    let mut command = cmd("SET");
    command.arg(key).arg(text);
    if let Some(lifetime) = lifetime {
        command.arg("PX").arg(milliseconds(lifetime));
    }
    command
}

fn milliseconds(lifetime: Duration) -> u64 {
    u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX).max(1)
}
