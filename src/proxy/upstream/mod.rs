//! A connection to a backend, as one request sees it.
//!
//! - [`http1`] serves one request at a time, and is driven by it. [`http2`] is shared by many and has a task of its own.
//! - [`io`] is what either moves its bytes over. [`form`] turns a request from the one into the other.

pub(super) mod form;
mod http1;
mod http2;
mod io;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::Either;
use http::{Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::pace::Pace;
use super::upload::Upload;

pub(super) use http1::{Http1, Switched};
pub(super) use http2::{Http2, Shared};
pub(super) use io::{Heard, Io, Meter};

/// What an exchange over a [`Connection`] ends with before there is a response.
pub(super) type Unanswered = TrySendError<Request<Upload>>;

/// What an exchange gives next.
pub(super) type Sent = Result<Response<Incoming>, Unanswered>;

/// For whom a connection is, where backends are told: what they were told. Requests of others never go over it.
pub(super) type Owner = Option<Box<[u8]>>;

/// A connection, or a share of one. Dropped, it ends the exchange that is under way: HTTP/1.1 by closing the socket at
/// once, HTTP/2 by resetting the stream.
pub(super) enum Connection {
    Http1(Box<Http1>),
    Http2(Box<Http2>),
}

/// Puts a response where it stays: it is too large to be handed from function to function.
#[inline]
fn fill(answer: &mut Option<Response<Incoming>>, polled: Poll<Sent>) -> Poll<Result<(), Box<Unanswered>>> {
    polled.map(|sent| sent.map(|response| *answer = Some(response)).map_err(Box::new))
}

/// What is known of a request that got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The backend has not worked on it, and says so (RFC 9113, 8.7).
    Refused,
    /// The connection ended without a sign that the backend has.
    Silent,
    /// The backend has said something.
    Heard,
}

impl From<Http2> for Connection {
    fn from(stream: Http2) -> Self {
        Self::Http2(Box::new(stream))
    }
}

impl Connection {
    /// Whether it is known that others have used it before. One of HTTP/1.1 that has just been opened nobody has.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::Http2(stream) if stream.reused)
    }

    /// Makes the exchanges under way the last ones.
    pub(super) fn retire(&mut self) {
        match self {
            Self::Http1(connection) => connection.retire(),
            Self::Http2(stream) => stream.retire(),
        }
    }

    /// Keeps the connection for one request, which may change the protocol. Only HTTP/1.1 can.
    pub(super) fn reserve(&mut self) {
        match self {
            Self::Http1(connection) => connection.reserve(),
            Self::Http2(_) => {}
        }
    }

    /// What is to be used after a 101. This stands for the connection until it is dropped.
    pub(super) fn switched(&mut self) -> Option<Switched> {
        match self {
            Self::Http1(connection) => connection.switched(),
            Self::Http2(_) => None,
        }
    }

    /// Lets the backend see, when a connection that has changed its protocol is closed, that this was no proper end.
    pub(super) fn break_off(&self) {
        match self {
            Self::Http1(connection) => connection.break_off(),
            Self::Http2(_) => {}
        }
    }

    /// For a response that began before its request ended: a client that does not read the one may wait until all of the
    /// other is taken.
    pub(super) fn run_apart(&mut self) {
        match self {
            Self::Http1(connection) => connection.run_apart(),
            Self::Http2(_) => {}
        }
    }

    /// Begins an exchange. The future that [`Connection::poll_response`] takes has to be polled until it is ready, or
    /// the connection be dropped.
    pub(super) fn send(
        &mut self,
        request: Request<Upload>,
    ) -> Either<impl Future<Output = Sent> + use<>, impl Future<Output = Sent> + use<>> {
        match self {
            Self::Http1(connection) => Either::Left(connection.send(request)),
            Self::Http2(stream) => Either::Right(stream.send(request)),
        }
    }

    /// Moves the exchange on: ready when the response's head has been filled in, which is not moved through more hands
    /// than it must be.
    pub(super) fn poll_response(
        &mut self,
        sent: Pin<&mut Either<impl Future<Output = Sent>, impl Future<Output = Sent>>>,
        answer: &mut Option<Response<Incoming>>,
        pace: &Pace,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Box<Unanswered>>> {
        match (self, sent.as_pin_mut()) {
            (Self::Http1(connection), Either::Left(sent)) => connection.poll_response(sent, answer, cx),
            (_, Either::Left(sent)) => fill(answer, sent.poll(cx)),
            (_, Either::Right(sent)) => {
                // The upload runs in a task of its own, and where it ends another deadline begins.
                pace.watch(cx.waker());
                fill(answer, sent.poll(cx))
            }
        }
    }

    /// Moves the exchange on: ready with the next frame of the response's body.
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self {
            Self::Http1(connection) => connection.poll_frame(body, cx),
            Self::Http2(_) => Pin::new(body).poll_frame(cx),
        }
    }

    /// What became of a request that ended in `error`. A connection that takes no further ones is marked as such.
    pub(super) fn fate(&mut self, error: &hyper::Error) -> Fate {
        match self {
            Self::Http1(connection) if connection.heard_any() => Fate::Heard,
            Self::Http1(_) => Fate::Silent,
            Self::Http2(stream) => stream.fate(error),
        }
    }

    /// No answer came in time.
    pub(super) fn missed(&mut self) {
        match self {
            Self::Http1(_) => {}
            Self::Http2(stream) => stream.missed(),
        }
    }
}
