//! What one run of one load came to.

#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Requests or handshakes.
    pub(crate) done: u64,
    /// Socket errors, timeouts, and statuses above 399.
    pub(crate) errors: u64,
    /// `done` per second.
    pub(crate) rate: f64,
    /// Microseconds; `None`: the load does not tell.
    pub(crate) p50: Option<f64>,
    /// Microseconds.
    pub(crate) p99: Option<f64>,
}
