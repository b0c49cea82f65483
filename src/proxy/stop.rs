//! How the data plane is asked to end, in steps.

use tokio_util::sync::CancellationToken;

/// The steps of a stop, from the first to the last; a later one without an earlier one makes no sense. Cheap to clone.
///
/// An idle connection that is closed in the moment in which its client sends a request loses that request. Hence the
/// steps: first every answer asks its client to go, and only then the connections that had none are closed.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    leaving: CancellationToken,
    deaf: CancellationToken,
    closing: CancellationToken,
}

impl Stop {
    /// From now on the answer to a request is the last on its connection, and says so. Nothing is closed for that.
    pub fn leave(&self) {
        self.leaving.cancel();
    }

    /// From now on no connection is accepted. What the kernel has accepted by then is served.
    pub fn stop_listening(&self) {
        self.leave();
        self.deaf.cancel();
    }

    /// From now on idle connections are closed, and running requests have `listen.drain`.
    pub fn close(&self) {
        self.stop_listening();
        self.closing.cancel();
    }

    pub(super) async fn leaving(&self) {
        self.leaving.cancelled().await;
    }

    pub(super) async fn deaf(&self) {
        self.deaf.cancelled().await;
    }

    pub(super) async fn closing(&self) {
        self.closing.cancelled().await;
    }
}
