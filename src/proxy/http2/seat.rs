//! A place for one request at a time. Its task, its memory and its [`Client`] serve one request after another: to make
//! them anew for each costs more than much of the rest.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use futures_util::future::maybe_done;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio_util::sync::ReusableBoxFuture;

use super::super::handler::{Client, handle};
use super::super::pace::Pace;
use super::super::reply::Reply;
use super::pieces::Pieces;
use super::streams::Streams;
use super::tunnel::run as run_tunnel;

/// The memory of a future, which another of its kind can have when it has ended.
type Room<T> = ReusableBoxFuture<'static, T>;

/// The lock is never contended: only the worker's own thread takes it.
pub(super) struct Seat {
    pub(super) client: Arc<Client>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Among the streams of the connection.
    number: usize,
    /// What the task is to run next.
    stream: Option<Room<()>>,
    /// What has ended.
    stream_room: Option<Room<()>>,
    answer_room: Option<Room<Result<Response<Reply>, Infallible>>>,
    task: Option<Waker>,
    /// Nobody will sit here again.
    removed: bool,
}

impl Seat {
    pub(super) fn new(client: Arc<Client>) -> Arc<Self> {
        Arc::new(Self { client, inner: Mutex::default() })
    }

    /// For a request that begins, as the stream of this number.
    pub(super) fn take(&self, number: usize) {
        self.client.pace.renew();
        self.lock().number = number;
    }

    /// Has the task run the stream of the request.
    pub(super) fn run(&self, stream: impl Future<Output = ()> + Send + 'static) {
        let mut inner = self.lock();
        // Drops what has ended, although its memory is kept.
        let stream = maybe_done(stream);
        inner.stream = Some(match inner.stream_room.take() {
            Some(mut room) => {
                room.set(stream);
                room
            }
            None => Room::new(stream),
        });
        inner.wake();
    }

    /// Whether another request can sit here: nothing of the last one goes on.
    pub(super) fn is_free(&self) -> bool {
        Arc::strong_count(&self.client) == 1 && Arc::strong_count(&self.client.pace) == 1
    }

    /// Ends the task, at once or with its stream.
    pub(super) fn remove(&self) {
        let mut inner = self.lock();
        inner.removed = true;
        inner.wake();
    }

    fn poll_stream(&self, cx: &Context<'_>) -> Poll<Option<(usize, Room<()>)>> {
        let mut inner = self.lock();
        if let Some(stream) = inner.stream.take() {
            return Poll::Ready(Some((inner.number, stream)));
        }
        if inner.removed {
            return Poll::Ready(None);
        }
        if !inner.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            inner.task = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn wake(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }
}

/// The task of a seat: runs one stream after another, and what follows on its answer, until the seat is removed. A stream
/// ends early when a deadline is missed after its answer has begun, which resets it.
pub(super) async fn serve(seat: Arc<Seat>, streams: Arc<Streams>) {
    let client = &seat.client;
    while let Some((number, mut stream)) = poll_fn(|cx| seat.poll_stream(cx)).await {
        let _taken = Taken { streams: &streams, number };
        if until_cut(&client.pace, Pin::new(&mut stream)).await {
            seat.lock().stream_room = Some(stream);
        } else {
            drop(stream);
        }
        if let Some(tunnel) = client.tunnel.take()
            && let Some(sender) = streams.take_sender()
        {
            // Boxed: the other streams need not be as large.
            let mut tunnel = Box::pin(run_tunnel(*tunnel, sender, &client.pace));
            until_cut(&client.pace, tunnel.as_mut()).await;
        }
    }
}

/// A seat that somebody sits on, until this is dropped.
struct Taken<'a> {
    streams: &'a Streams,
    number: usize,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.streams.end(self.number);
    }
}

/// Runs a part of a stream until it ends or a deadline is missed. Whether it has ended.
async fn until_cut(pace: &Pace, mut part: Pin<&mut impl Future<Output = ()>>) -> bool {
    poll_fn(|cx| {
        pace.belong_to(cx.waker());
        if pace.is_cut() { Poll::Ready(false) } else { part.as_mut().poll(cx).map(|()| true) }
    })
    .await
}

/// The answer to a request, in the memory of its seat. Dropped, it gives the request up.
pub(super) struct Answering {
    seat: Arc<Seat>,
    answer: Option<Room<Result<Response<Reply>, Infallible>>>,
}

impl Answering {
    pub(super) fn new(seat: Arc<Seat>, request: Request<Incoming>) -> Self {
        let answer = handle(seat.client.clone(), request);
        let room = seat.lock().answer_room.take();
        let answer = match room {
            Some(mut room) => {
                room.set(answer);
                room
            }
            None => Room::new(answer),
        };
        Self { seat, answer: Some(answer) }
    }
}

impl Future for Answering {
    type Output = Result<Response<Pieces>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = &mut *self;
        let Some(answer) = &mut me.answer else { return Poll::Pending };
        let answered = ready!(answer.poll(cx));
        me.seat.lock().answer_room = me.answer.take();
        Poll::Ready(answered.map(|response| response.map(|reply| Pieces::new(reply, me.seat.client.pace.clone()))))
    }
}
