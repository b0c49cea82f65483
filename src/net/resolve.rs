//! Host names to addresses, off the request path, with the last good answer kept.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::model::Endpoint;

/// Between two lookups of a name.
const INTERVAL: Duration = Duration::from_secs(10);
/// Between two lookups of a name that never resolved yet.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);
/// For one lookup.
const LIMIT: Duration = Duration::from_secs(2);

/// Knows what a set of endpoints resolves to.
///
/// A host that is an IP address is known at once and never looked up.
#[derive(Default)]
pub struct Resolver {
    endpoints: BTreeMap<Endpoint, Lookup>,
}

impl Resolver {
    /// Keeps what is known of those of `endpoints` that it has already, looks up each of the others once, all in
    /// parallel, and forgets the rest. Returns after at most 2 s. A name that did not resolve by then has no address,
    /// and does not stop anything.
    pub async fn learn(&mut self, endpoints: impl IntoIterator<Item = Endpoint>) {
        let endpoints: BTreeSet<_> = endpoints.into_iter().collect();
        self.endpoints.retain(|endpoint, _| endpoints.contains(endpoint));
        let unknown: Vec<_> = endpoints.into_iter().filter(|endpoint| !self.endpoints.contains_key(endpoint)).collect();
        let lookups = join_all(unknown.into_iter().map(async |endpoint| {
            let mut lookup = Lookup::new(endpoint.clone());
            if !lookup.literal {
                lookup.take(system_lookup(&endpoint).await);
            }
            (endpoint, lookup)
        }));
        self.endpoints.extend(lookups.await);
    }

    /// The addresses of every endpoint, now and later, in the order in which they should be tried; empty while a name
    /// has never resolved. The last value stays readable after the resolver has gone.
    pub fn addresses(&self) -> BTreeMap<Endpoint, watch::Receiver<Arc<[SocketAddr]>>> {
        self.endpoints.iter().map(|(endpoint, lookup)| (endpoint.clone(), lookup.addresses.subscribe())).collect()
    }

    /// The names among the endpoints, each to be [run](Lookup::run).
    pub fn lookups(&self) -> impl Iterator<Item = &Lookup> {
        self.endpoints.values().filter(|lookup| !lookup.literal)
    }
}

/// One endpoint and what is known of it, which all clones share.
#[derive(Clone)]
pub struct Lookup {
    endpoint: Endpoint,
    /// The host is an IP address.
    literal: bool,
    addresses: Arc<watch::Sender<Arc<[SocketAddr]>>>,
    /// The last lookup failed; a failure is logged only when this changes.
    failing: bool,
}

impl Lookup {
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Looks the name up again each 10 s, and sends the endpoint when its addresses changed, after the watch shows
    /// them. Ends when `changed` is closed. Cancel safe.
    pub async fn run(self, changed: mpsc::Sender<Endpoint>) {
        self.repeat(system_lookup, changed).await;
    }

    fn new(endpoint: Endpoint) -> Self {
        let literal: Option<IpAddr> = endpoint.host.parse().ok();
        let known = literal.map(|address| SocketAddr::new(address, endpoint.port));
        let addresses = Arc::new(watch::Sender::new(known.into_iter().collect()));
        Self { endpoint, literal: literal.is_some(), addresses, failing: false }
    }

    async fn repeat(
        mut self,
        look_up: impl AsyncFn(&Endpoint) -> io::Result<Vec<SocketAddr>>,
        changed: mpsc::Sender<Endpoint>,
    ) {
        loop {
            sleep(if self.addresses.borrow().is_empty() { FIRST_INTERVAL } else { INTERVAL }).await;
            let answer = look_up(&self.endpoint).await;
            if self.take(answer) && changed.send(self.endpoint.clone()).await.is_err() {
                return;
            }
        }
    }

    /// Publishes an answer with other addresses than the last good one, and says whether it did. The same addresses in
    /// another order are the same: name servers rotate them.
    fn take(&mut self, answer: io::Result<Vec<SocketAddr>>) -> bool {
        let fresh = match answer {
            Ok(fresh) if !fresh.is_empty() => fresh,
            Ok(_) => return self.fail("no address"),
            Err(error) => return self.fail(&error.to_string()),
        };
        if std::mem::take(&mut self.failing) {
            tracing::info!(endpoint = %self.endpoint, "name resolves again");
        }
        self.addresses.send_if_modified(|known| {
            let changed = known.iter().collect::<BTreeSet<_>>() != fresh.iter().collect();
            if changed {
                *known = fresh.into();
            }
            changed
        })
    }

    fn fail(&mut self, error: &str) -> bool {
        if !std::mem::replace(&mut self.failing, true) {
            let kept = self.addresses.borrow().len();
            tracing::warn!(endpoint = %self.endpoint, error, kept, "name does not resolve, last good answer kept");
        }
        false
    }
}

/// Asks the system's resolver. A lookup that takes too long goes on in a thread of the runtime, unheard.
async fn system_lookup(endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
    let found = timeout(LIMIT, tokio::net::lookup_host((&*endpoint.host, endpoint.port))).await??;
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn endpoint(host: &str) -> Endpoint {
        Endpoint { host: host.into(), port: 3002 }
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn failure() -> io::Result<Vec<SocketAddr>> {
        Err(io::Error::other("no such name"))
    }

    async fn resolver(hosts: &[&str]) -> Resolver {
        let mut resolver = Resolver::default();
        resolver.learn(hosts.iter().map(|host| endpoint(host))).await;
        resolver
    }

    #[tokio::test]
    async fn an_ip_address_is_known_without_a_lookup() {
        let resolver = resolver(&["127.0.0.1", "::1"]).await;
        let found = resolver.addresses();
        assert_eq!(**found[&endpoint("127.0.0.1")].borrow(), addresses(&["127.0.0.1:3002"]));
        assert_eq!(**found[&endpoint("::1")].borrow(), addresses(&["[::1]:3002"]));
        assert_eq!(resolver.lookups().count(), 0);
    }

    #[tokio::test]
    async fn a_name_is_resolved_before_it_is_known() {
        let resolver = resolver(&["localhost", "localhost"]).await;
        let found = Arc::clone(&resolver.addresses()[&endpoint("localhost")].borrow());
        assert!(!found.is_empty());
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 3002), "{found:?}");
        assert_eq!(resolver.lookups().count(), 1);
    }

    #[tokio::test]
    async fn what_is_known_is_kept_and_what_is_gone_is_forgotten() {
        let mut resolver = resolver(&["localhost", "127.0.0.1"]).await;
        let kept = resolver.addresses().remove(&endpoint("localhost")).unwrap();
        resolver.learn([endpoint("localhost"), endpoint("127.0.0.2")]).await;
        let found = resolver.addresses();
        assert!(found[&endpoint("localhost")].same_channel(&kept));
        assert_eq!(found.keys().map(|endpoint| &*endpoint.host).collect::<Vec<_>>(), ["127.0.0.2", "localhost"]);
    }

    #[test]
    fn the_last_good_answer_outlives_failures() {
        let mut lookup = Lookup::new(endpoint("web1"));
        let known = addresses(&["10.0.0.1:3002"]);
        assert!(lookup.take(Ok(known.clone())));
        assert!(!lookup.take(failure()));
        assert!(lookup.failing);
        assert!(!lookup.take(Ok(Vec::new())), "an empty answer is a failure too");
        assert_eq!(**lookup.addresses.borrow(), known);
        assert!(!lookup.take(Ok(known)), "the same answer as before the failure is no change");
        assert!(!lookup.failing);
    }

    #[test]
    fn another_order_is_no_change() {
        let mut lookup = Lookup::new(endpoint("web1"));
        let known = addresses(&["10.0.0.1:3002", "10.0.0.2:3002"]);
        assert!(lookup.take(Ok(known.clone())));
        assert!(!lookup.take(Ok(known.iter().rev().copied().collect())));
        assert_eq!(**lookup.addresses.borrow(), known);
        assert!(lookup.take(Ok(addresses(&["10.0.0.2:3002"]))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_reported_once_it_can_be_read() {
        let old = addresses(&["10.0.0.1:3002"]);
        let new = addresses(&["10.0.0.2:3002"]);
        let answers = RefCell::new(vec![Ok(new.clone()), failure(), Ok(old.clone()), Ok(old.clone())]);
        let look_up = async |_: &Endpoint| answers.borrow_mut().pop().unwrap_or_else(failure);

        let lookup = Lookup::new(endpoint("web1"));
        let seen = lookup.addresses.subscribe();
        let (changed, mut changes) = mpsc::channel(1);
        let started = tokio::time::Instant::now();
        let rounds = lookup.repeat(look_up, changed);
        let reader = async {
            assert_eq!(changes.recv().await, Some(endpoint("web1")));
            assert_eq!(**seen.borrow(), old);
            assert_eq!(started.elapsed().as_secs(), 1, "an unknown name is asked for soon");
            assert_eq!(changes.recv().await, Some(endpoint("web1")));
            assert_eq!(**seen.borrow(), new);
            assert_eq!(started.elapsed().as_secs(), 31, "a known name is asked for each 10 s");
        };
        tokio::select! {
            () = rounds => panic!("the rounds ended"),
            () = reader => {}
        }
    }
}
