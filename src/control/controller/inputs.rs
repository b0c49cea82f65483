//! What the controller listens to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::orders::Orders;
use crate::model::{AlertReading, Endpoint, MarkReading, ProbeReport, Secret};
use crate::table::Alarm;

/// How often the controller looks at the counters and at what time has ended.
pub(super) const ROUND: Duration = Duration::from_millis(100);
/// Rings that come closer together than this are one: a storm of failures must not take the control thread.
const BREATH: Duration = Duration::from_millis(1);

/// What an endpoint resolves to, now and later.
pub type Addresses = BTreeMap<Endpoint, watch::Receiver<Arc<[SocketAddr]>>>;

/// Everything that the controller listens to, beside the data plane's alarm. All are bounded: who sends waits, the data
/// plane never sends.
pub struct Inputs {
    pub alerts: mpsc::Receiver<AlertReading>,
    pub probes: mpsc::Receiver<ProbeReport>,
    /// Endpoints whose addresses changed.
    pub addresses: mpsc::Receiver<Endpoint>,
    /// What the process asks.
    pub orders: Orders,
    /// Read before the alerts: whoever sends the first readings of a service sends its marks first, so that a canary is
    /// not admitted on a half of what is known.
    pub marks: mpsc::Receiver<MarkReading>,
    /// The key that signs the cookies of all balancers, as soon as it is known, and each that follows it. Read before
    /// the alerts too: who is ready knows the others' visitors.
    pub keys: watch::Receiver<Option<Secret>>,
}

/// Waits for the next ring, and a moment after the ring before it. Cancel safe: no ring is lost.
pub(super) async fn heard(alarm: &Alarm, last: Instant) {
    tokio::time::sleep_until(last + BREATH).await;
    alarm.heard().await;
}

pub(super) fn current(addresses: &Addresses, endpoint: &Endpoint) -> Arc<[SocketAddr]> {
    addresses.get(endpoint).map_or_else(|| Arc::from([]), |receiver| receiver.borrow().clone())
}
