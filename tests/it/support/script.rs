//! What a backend does with a request, step by step.

use std::time::Duration;

use tokio::sync::watch;

/// Steps that a backend takes after it has read a request's head. The connection stays open for the next request
/// unless a step ends it.
#[derive(Clone, Default)]
pub(crate) struct Script(pub(super) Vec<Step>);

#[derive(Clone)]
pub(super) enum Step {
    ReadBody,
    Echo,
    EchoChunked,
    Duplex(u64),
    Send(Vec<u8>),
    Flood(u64),
    Wait(Duration),
    Hold(Latch),
    AwaitEnd,
    Mirror,
    Overhear(Duration),
    HalfClose,
    Close,
    Reset,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Reads the whole request, then answers.
    pub(crate) fn answer(status: u16, body: &str) -> Self {
        Self::new().read_body().send(format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    }

    /// Reads the request's body to its end.
    pub(crate) fn read_body(self) -> Self {
        self.then(Step::ReadBody)
    }

    /// Reads the request, then answers with what came, as text: start line, fields, empty line, body, trailers.
    pub(crate) fn echo(self) -> Self {
        self.then(Step::Echo)
    }

    /// The same in chunks, with the body's length in a trailer `X-Length`.
    pub(crate) fn echo_chunked(self) -> Self {
        self.then(Step::EchoChunked)
    }

    /// Reads the request's body to its end, and meanwhile writes that many zeros.
    pub(crate) fn duplex(self, bytes: u64) -> Self {
        self.then(Step::Duplex(bytes))
    }

    pub(crate) fn send(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.then(Step::Send(bytes.into()))
    }

    /// Writes that many zeros, as fast as they are taken; see `Backend::flooded`.
    pub(crate) fn flood(self, bytes: u64) -> Self {
        self.then(Step::Flood(bytes))
    }

    pub(crate) fn wait(self, pause: Duration) -> Self {
        self.then(Step::Wait(pause))
    }

    /// Does nothing until the test opens the latch.
    pub(crate) fn hold(self, latch: &Latch) -> Self {
        self.then(Step::Hold(latch.clone()))
    }

    /// Reads until the peer goes away; see `Backend::ended`.
    pub(crate) fn await_end(self) -> Self {
        self.then(Step::AwaitEnd)
    }

    /// Sends back whatever comes until the peer says that it was all, and then ends the connection; see
    /// `Backend::ended`.
    pub(crate) fn mirror(self) -> Self {
        self.then(Step::Mirror)
    }

    /// Adds what comes within that time to `Backend::received`, and leaves it for later.
    pub(crate) fn overhear(self, pause: Duration) -> Self {
        self.then(Step::Overhear(pause))
    }

    /// Says that nothing more will be sent, and waits for the peer to close.
    pub(crate) fn half_close(self) -> Self {
        self.then(Step::HalfClose)
    }

    pub(crate) fn close(self) -> Self {
        self.then(Step::Close)
    }

    /// Ends the connection with a TCP reset.
    pub(crate) fn reset(self) -> Self {
        self.then(Step::Reset)
    }

    fn then(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }
}

/// Shut until the test opens it.
#[derive(Clone)]
pub(crate) struct Latch(watch::Sender<bool>);

impl Latch {
    pub(crate) fn shut() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn opened(&self) {
        let mut open = self.0.subscribe();
        // Only fails when the sender is gone, and `self` is one.
        let _ = open.wait_for(|open| *open).await;
    }
}
