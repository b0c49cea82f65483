//! How many connections each client has.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::client::Client;

const SHARDS: usize = 64;

/// Counts connections by client. It knows as many clients as have one, and forgets each with its last. Its locks are
/// held for one look at a map, and by two workers at once only when their clients share a shard.
#[derive(Debug)]
pub(super) struct Clients {
    limit: u32,
    hasher: RandomState,
    shards: [Mutex<HashMap<Client, u32>>; SHARDS],
}

/// A connection's place among those of its client, for as long as it lives.
#[derive(Debug)]
pub(in crate::proxy) struct Place(Option<(Arc<Clients>, Client)>);

impl Clients {
    /// 0: no limit, and nothing is counted.
    pub(super) fn new(limit: u32) -> Self {
        Self { limit, hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// `None`: the client has as many as it may have.
    pub(super) fn admit(self: &Arc<Self>, client: Client) -> Option<Place> {
        if self.limit == 0 {
            return Some(Place(None));
        }
        let mut shard = self.shard(client);
        let connections = shard.entry(client).or_default();
        if *connections >= self.limit {
            return None;
        }
        *connections += 1;
        Some(Place(Some((self.clone(), client))))
    }

    fn shard(&self, client: Client) -> MutexGuard<'_, HashMap<Client, u32>> {
        let shard = usize::try_from(self.hasher.hash_one(client) % SHARDS as u64).unwrap_or(0);
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((clients, client)) = &self.0 else { return };
        let mut shard = clients.shard(*client);
        if let Some(connections) = shard.get_mut(client) {
            *connections -= 1;
            if *connections == 0 {
                shard.remove(client);
                // After a crowd the room that it took is given back.
                if shard.capacity() > 64 && shard.len() < shard.capacity() / 4 {
                    shard.shrink_to_fit();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_without_connections_is_forgotten() {
        let clients = Arc::new(Clients::new(2));
        let places: Vec<_> = (0..1000).filter_map(|n| clients.admit(Client::V4(n / 3))).collect();
        assert_eq!(places.len(), 667);
        let known = |clients: &Clients| clients.shards.iter().map(|shard| shard.lock().unwrap().len()).sum::<usize>();
        assert_eq!(known(&clients), 334);
        drop(places);
        assert_eq!(known(&clients), 0);
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let clients = Arc::new(Clients::new(0));
        let places: Vec<_> = (0..1000).filter_map(|_| clients.admit(Client::V4(1))).collect();
        assert_eq!(places.len(), 1000);
        assert!(clients.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }
}
