//! An HTTP/1.1 connection to a backend, driven by the request that uses it.
//!
//! hyper splits a client connection into a handle and a driver, which is meant to be spawned. A task of its own would
//! be woken, and would wake the client's task, several times for each request; here the client's task polls the driver
//! itself. What hyper's two halves say to each other inside one poll must then wake nobody: see [`Nudge`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http::{Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio_util::task::AbortOnDropHandle;

use super::super::connect::MAX_BUFFER;
use super::super::upload::Upload;
use super::{Heard, Io, Owner, Sent, Unanswered, fill};
use crate::net::prefixed::Prefixed;

type Driver = http1::Connection<TokioIo<Io>, Upload>;

/// What a connection is over that has changed its protocol, with what was read of the new one.
pub(in crate::proxy) type Switched = Prefixed<Io>;

/// One connection. Dropped, it closes the socket at once, whatever is under way.
pub(in crate::proxy) struct Http1 {
    sender: SendRequest<Upload>,
    /// `None` when it has ended or runs apart.
    driver: Option<Pin<Box<Driver>>>,
    apart: Option<AbortOnDropHandle<()>>,
    retired: bool,
    /// The one request to come may change the protocol.
    switching: bool,
    switched: Option<Switched>,
    nudge: Arc<Nudge>,
    waker: Waker,
    heard: Arc<Heard>,
    /// What had been heard when the last request began.
    before: u64,
    pub(in crate::proxy) opened: Instant,
    pub(in crate::proxy) owner: Owner,
}

impl Http1 {
    /// # Errors
    /// hyper's, which are not expected for HTTP/1.1: nothing is sent yet.
    pub(in crate::proxy) async fn new(io: Io, heard: Arc<Heard>, owner: Owner) -> hyper::Result<Box<Self>> {
        let builder = &mut http1::Builder::new();
        let (sender, driver) = builder.max_buf_size(MAX_BUFFER).handshake(TokioIo::new(io)).await?;
        let nudge = Arc::new(Nudge { owner: AtomicWaker::new(), held: AtomicBool::new(false), heard: heard.clone() });
        let waker = Waker::from(nudge.clone());
        let driver = Some(Box::pin(driver));
        let opened = Instant::now();
        Ok(Box::new(Self {
            sender,
            driver,
            apart: None,
            retired: false,
            switching: false,
            switched: None,
            nudge,
            waker,
            heard,
            before: 0,
            opened,
            owner,
        }))
    }

    /// Whether an idle connection can take a request, as far as is known.
    pub(in crate::proxy) fn is_ready(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }

    /// As [`Http1::is_ready`], after a look at whether the backend has closed it.
    pub(in crate::proxy) fn check(&mut self) -> bool {
        self.drive(Waker::noop());
        self.is_ready()
    }

    /// Lets go of the task that used the connection last, which may end while the connection is idle.
    pub(in crate::proxy) fn rest(&self) {
        drop(self.nudge.owner.take());
    }

    /// Whether it can take no further request, now or later.
    pub(in crate::proxy) fn is_closed(&self) -> bool {
        self.retired || self.driver.is_none() || self.sender.is_closed()
    }

    /// Makes the exchange under way the last one.
    pub(super) fn retire(&mut self) {
        self.retired = true;
    }

    /// Keeps the connection for one request, which may change the protocol.
    pub(super) fn reserve(&mut self) {
        self.retired = true;
        self.switching = true;
    }

    /// What is to be used after a 101. This stands for the connection until it is dropped.
    pub(super) fn switched(&mut self) -> Option<Switched> {
        self.switched.take()
    }

    /// Lets the backend see, when the connection is closed, that this was no proper end.
    pub(super) fn break_off(&self) {
        self.heard.break_off();
    }

    /// Gives the connection a task of its own for its last exchange. For a response that began before its request
    /// ended: a client that does not read the one may wait until all of the other is taken.
    pub(super) fn run_apart(&mut self) {
        let Some(driver) = self.driver.take() else { return };
        let task = tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "backend connection ended");
            }
        });
        self.apart = Some(AbortOnDropHandle::new(task));
    }

    /// Whether the backend has sent a byte since the last request began.
    pub(super) fn heard_any(&self) -> bool {
        self.heard.count() != self.before
    }

    /// Begins an exchange.
    pub(super) fn send(&mut self, request: Request<Upload>) -> impl Future<Output = Sent> + use<> {
        self.before = self.heard.count();
        let _hold = self.nudge.hold();
        self.sender.try_send_request(request)
    }

    /// Moves the exchange on: ready when the response's head has been filled in.
    pub(super) fn poll_response(
        &mut self,
        sent: Pin<&mut impl Future<Output = Sent>>,
        answer: &mut Option<Response<Incoming>>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), Box<Unanswered>>> {
        self.drive(cx.waker());
        let polled = fill(answer, sent.poll(&mut Context::from_waker(Waker::noop())));
        wake_if_out_of_budget(&polled, cx);
        polled
    }

    /// Moves the exchange on: ready with the next frame of the response's body.
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.apart.is_some() {
            return Pin::new(body).poll_frame(cx);
        }
        let mut quiet = Context::from_waker(Waker::noop());
        let hold = self.nudge.hold();
        let ready = Pin::new(&mut *body).poll_frame(&mut quiet);
        drop(hold);
        if ready.is_ready() {
            return ready;
        }
        self.drive(cx.waker());
        let polled = Pin::new(body).poll_frame(&mut quiet);
        wake_if_out_of_budget(&polled, cx);
        polled
    }

    /// Polls the driver for the task of `owner`. What the driver wakes meanwhile is passed on: it asks to be polled
    /// again.
    fn drive(&mut self, owner: &Waker) {
        let Some(driver) = &mut self.driver else { return };
        self.nudge.owner.register(owner);
        let waker = &self.waker;
        let ended = self.heard.listen(|| driver.as_mut().poll(&mut Context::from_waker(waker)));
        if let Poll::Ready(ended) = ended {
            if let Err(error) = ended {
                tracing::debug!(%error, "backend connection ended");
            }
            let driver = self.driver.take();
            if self.switching {
                self.switched = driver.map(|driver| {
                    let http1::Parts { io, read_buf, .. } = Pin::into_inner(driver).into_parts();
                    Prefixed::new(read_buf, io.into_inner())
                });
            }
        }
    }
}

/// A task that has used up its budget of I/O is told "pending" without being ready to be woken by anything but the
/// waker that was given, which here was a silent one.
fn wake_if_out_of_budget<T>(polled: &Poll<T>, cx: &Context<'_>) {
    if polled.is_pending() && !tokio::task::coop::has_budget_remaining() {
        cx.waker().wake_by_ref();
    }
}

/// The driver's waker: passes a wake-up on to the task that uses the connection now, but keeps still while that task
/// itself says something to the driver, because it polls the driver next anyway.
#[derive(Debug)]
struct Nudge {
    owner: AtomicWaker,
    held: AtomicBool,
    heard: Arc<Heard>,
}

impl Nudge {
    fn hold(self: &Arc<Self>) -> Hold {
        self.held.store(true, Relaxed);
        Hold(self.clone())
    }
}

impl Wake for Nudge {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.held.load(Relaxed) {
            self.heard.stir();
            self.owner.wake();
        }
    }
}

struct Hold(Arc<Nudge>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.held.store(false, Relaxed);
    }
}
