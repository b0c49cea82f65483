//! How many clients are in, and how much they ask for: what all workers count together.
//!
//! - [`count`] is one number with a limit, [`clients`] a number for each client, [`client`] what a client is.
//! - [`rate`] is how many requests each client may send over time.
//!
//! Connections are counted when they come and go, requests by one shared atomic. Nothing here waits, and only what is
//! counted for each client takes a lock, which a connection does twice and a request only where a rate is configured.

mod client;
mod clients;
mod count;
mod rate;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::client::Client;
use self::clients::Clients;
use self::count::Count;
use self::rate::ClientRate;
use crate::metrics::Refused;
use crate::model::LimitSettings;

pub(super) use self::clients::Place;
pub(super) use self::count::Stay;

/// Refused connections that are still told so.
const FAREWELLS: u32 = 64;
/// Connections that are kept for a while after a flood.
const PENITENTS: u32 = 256;

/// The clients of all workers.
#[derive(Debug)]
pub(super) struct Crowd {
    connections: Arc<Count>,
    listener_limit: u32,
    listeners: Mutex<HashMap<SocketAddr, Arc<Count>>>,
    clients: Arc<Clients>,
    pub(super) requests: Count,
    pub(super) farewells: Arc<Count>,
    pub(super) penitents: Arc<Count>,
    /// `None`: no limit.
    rate: Option<ClientRate>,
}

/// One address that is listened on, whatever the number of its sockets.
#[derive(Clone, Debug)]
pub(super) struct Door(Option<Arc<Count>>);

/// A connection's place among all, for as long as it lives.
#[derive(Debug)]
pub(super) struct Entry {
    _all: Stay,
    _at_the_door: Option<Stay>,
}

impl Crowd {
    pub(super) fn new(limits: &LimitSettings) -> Self {
        Self {
            connections: Arc::new(Count::new(limits.max_connections)),
            listener_limit: limits.listener_connections,
            listeners: Mutex::default(),
            clients: Arc::new(Clients::new(limits.client_connections)),
            requests: Count::new(limits.max_requests),
            farewells: Arc::new(Count::new(FAREWELLS)),
            penitents: Arc::new(Count::new(PENITENTS)),
            rate: ClientRate::new(limits.rate),
        }
    }

    /// The door that `address` is, which is the same for all sockets of the address. Asked at the start only.
    pub(super) fn door(&self, address: Option<SocketAddr>) -> Door {
        let limited = (self.listener_limit > 0).then_some(address).flatten();
        Door(limited.map(|address| {
            let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.entry(address).or_insert_with(|| Arc::new(Count::new(self.listener_limit))).clone()
        }))
    }

    /// A place for one more connection that came in by `door`.
    ///
    /// # Errors
    /// The limit that is reached.
    pub(super) fn enter(&self, door: &Door) -> Result<Entry, Refused> {
        let all = Stay::begin(&self.connections).ok_or(Refused::Connections)?;
        let at_the_door = door.0.as_ref().map(|count| Stay::begin(count).ok_or(Refused::ListenerConnections));
        Ok(Entry { _all: all, _at_the_door: at_the_door.transpose()? })
    }

    /// A place for one more connection of the client at `address`.
    ///
    /// # Errors
    /// It has as many as it may have.
    pub(super) fn admit(&self, address: IpAddr) -> Result<Place, Refused> {
        self.clients.admit(Client::new(address)).ok_or(Refused::ClientConnections)
    }

    /// Takes in one request of the client whose address `address` gives, or tells how long it will be until its next
    /// can be.
    ///
    /// # Errors
    /// The rate is reached.
    #[inline]
    pub(super) fn take(&self, address: impl FnOnce() -> IpAddr) -> Result<(), Duration> {
        self.rate.as_ref().map_or(Ok(()), |rate| rate.take(Client::new(address())))
    }

    /// Forgets clients that have not sent a request for a while. Called every now and then by every worker.
    pub(super) fn sweep(&self) {
        if let Some(rate) = &self.rate {
            rate.sweep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RateSpec;

    fn crowd(max: u32, listener: u32, client: u32) -> Crowd {
        Crowd::new(&LimitSettings {
            max_connections: max,
            max_requests: 0,
            listener_connections: listener,
            client_connections: client,
            headers: 0,
            header_bytes: 0,
            request_line: 0,
            body_rate: 0,
            streams: 0,
            rate: RateSpec { requests: 0, burst: 0 },
        })
    }

    fn address(port: u16) -> Option<SocketAddr> {
        Some(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    #[test]
    fn all_sockets_of_an_address_are_one_door() {
        let crowd = crowd(10, 1, 0);
        let (one, same, other) = (crowd.door(address(1)), crowd.door(address(1)), crowd.door(address(2)));
        let first = crowd.enter(&one).unwrap();
        assert_eq!(crowd.enter(&same).unwrap_err(), Refused::ListenerConnections);
        let _second = crowd.enter(&other).unwrap();
        drop(first);
        assert!(crowd.enter(&same).is_ok());
    }

    #[test]
    fn a_door_that_refuses_leaves_the_place_among_all_free() {
        let crowd = crowd(2, 1, 0);
        let (one, other) = (crowd.door(address(1)), crowd.door(address(2)));
        let _first = crowd.enter(&one).unwrap();
        assert_eq!(crowd.enter(&one).unwrap_err(), Refused::ListenerConnections);
        let _second = crowd.enter(&other).unwrap();
        assert_eq!(crowd.enter(&other).unwrap_err(), Refused::Connections);
    }

    #[test]
    fn a_client_has_its_own_number() {
        let crowd = crowd(10, 0, 1);
        let place = crowd.admit([192, 0, 2, 1].into()).unwrap();
        assert_eq!(crowd.admit([192, 0, 2, 1].into()).unwrap_err(), Refused::ClientConnections);
        assert!(crowd.admit([192, 0, 2, 2].into()).is_ok());
        drop(place);
        assert!(crowd.admit([192, 0, 2, 1].into()).is_ok());
    }
}
