//! What the server says unasked: which keys changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use redis::aio::SendError;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc;

use crate::bus::key::Key;

/// Pushes that may wait. More of them are replaced by one whole read.
const PUSHES: usize = 1024;

/// Something the server said unasked.
pub(in crate::bus) enum Push {
    /// These keys changed, and when that was heard.
    Changed(Vec<Key>, Instant),
    /// Any key may have changed.
    Everything(Instant),
    /// The connection is gone.
    Closed,
}

/// The pushes of one connection.
pub(in crate::bus) struct Pushes {
    receiver: mpsc::Receiver<Push>,
    overflowed: Arc<AtomicBool>,
}

/// A sink for a connection, which passes on the changed keys that `wanted` names, and where they are taken from.
pub(super) fn channel(
    wanted: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
) -> (impl Fn(PushInfo) -> Result<(), SendError> + Send + Sync + 'static, Pushes) {
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
    (push, pushes)
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
    pub(in crate::bus) async fn next(&mut self) -> Push {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
