//! A backend that speaks HTTP/2 on plain text, and remembers what came.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Request, Response, Version};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::backend::runtime;
use super::script::Latch;

/// Answers 200 with `h2` as body, to probes as well, until told otherwise. Ends when dropped.
pub(crate) struct H2Backend {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _end: DropGuard,
}

/// One request as it arrived; probes are not among them.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
    pub(crate) connection: usize,
}

/// What is done with requests for a path.
#[derive(Clone)]
pub(crate) enum Deed {
    /// Refuses so many of them with REFUSED_STREAM, and then answers.
    Refuse(usize),
    /// Resets the stream in place of a head.
    Reset,
    /// Begins a body of 100 bytes, and resets the stream after 3.
    BreakOff,
    /// Answers without a look at the request's body.
    Early,
    /// Sends the request's body and trailers back as they come.
    Echo,
    /// So many bytes.
    Flood(u64),
    /// Answers when the latch is open.
    Hold(Latch),
    /// `text`, with its length if it is `framed`, and the trailer `x-sum: 7`.
    Trailers { text: &'static str, framed: bool },
    /// The answer of the standard health service: this byte, and this `grpc-status`.
    Grpc(u8, &'static str),
}

#[derive(Default)]
struct State {
    deeds: Mutex<Vec<(String, Deed)>>,
    requests: Mutex<Vec<Seen>>,
    probes: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    begun: AtomicUsize,
    ended: Arc<AtomicUsize>,
    /// A new one for each GOAWAY.
    leaving: Mutex<CancellationToken>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Answer = Result<Response<UnsyncBoxBody<Bytes, Failure>>, Failure>;

impl H2Backend {
    pub(crate) fn start() -> Self {
        Self::limited(200)
    }

    /// Allows so many streams of a connection at a time.
    pub(crate) fn limited(streams: u32) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (address, state, end) = (listener.local_addr().unwrap(), Arc::<State>::default(), CancellationToken::new());
        let backend = Self { address, state: state.clone(), _end: end.clone().drop_guard() };
        runtime().spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let accepting = async {
                loop {
                    let Ok((stream, _)) = listener.accept().await else { continue };
                    let (state, end) = (state.clone(), end.clone());
                    tokio::spawn(async move { end.run_until_cancelled(serve(stream, streams, state)).await });
                }
            };
            end.run_until_cancelled(accepting).await;
        });
        backend
    }

    pub(crate) fn on(&self, path: &str, deed: Deed) {
        let mut deeds = self.state.deeds.lock().unwrap();
        deeds.retain(|(known, _)| known != path);
        deeds.push((path.to_owned(), deed));
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.state.requests.lock().unwrap().clone()
    }

    pub(crate) fn probes(&self) -> Vec<Seen> {
        self.state.probes.lock().unwrap().clone()
    }

    /// How many requests have begun to arrive.
    pub(crate) fn begun(&self) -> usize {
        self.state.begun.load(Ordering::SeqCst)
    }

    /// How many requests were dropped while they were held, or echoed and came to an end.
    pub(crate) fn ended(&self) -> usize {
        self.state.ended.load(Ordering::SeqCst)
    }

    /// Sends GOAWAY over every connection there is.
    pub(crate) fn leave(&self) {
        let mut leaving = self.state.leaving.lock().unwrap();
        std::mem::take(&mut *leaving).cancel();
    }
}

async fn serve(stream: TcpStream, streams: u32, state: Arc<State>) {
    let connection = state.connections.fetch_add(1, Ordering::SeqCst);
    let leaving = state.leaving.lock().unwrap().clone();
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(state.clone(), connection, request));
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let serving = builder.max_concurrent_streams(streams).serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    tokio::select! {
        _ = &mut serving => return,
        () = leaving.cancelled() => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

async fn answer(state: Arc<State>, connection: usize, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let probe = head.headers.get("user-agent").is_some_and(|agent| agent == "coalmine-probe");
    let deed = {
        let mut deeds = state.deeds.lock().unwrap();
        deeds.iter_mut().find(|(path, _)| path == head.uri.path()).and_then(|(_, deed)| match deed {
            Deed::Refuse(0) => None,
            Deed::Refuse(left) => {
                *left -= 1;
                Some(Deed::Refuse(*left))
            }
            deed => Some(deed.clone()),
        })
    };
    if !probe {
        state.begun.fetch_add(1, Ordering::SeqCst);
    }
    match &deed {
        Some(Deed::Refuse(_)) => return Err(h2::Error::from(Reason::REFUSED_STREAM).into()),
        Some(Deed::Reset) => return Err(h2::Error::from(Reason::INTERNAL_ERROR).into()),
        Some(Deed::Early) => return Ok(Response::new(boxed(Full::from("early")))),
        Some(Deed::Echo) => {
            let dropped = Dropped(Some(state.ended.clone()));
            let body = body.map_err(move |error| {
                let _held = &dropped;
                error.into()
            });
            return Ok(Response::new(UnsyncBoxBody::new(body)));
        }
        Some(Deed::Hold(latch)) => {
            let mut dropped = Dropped(Some(state.ended.clone()));
            latch.opened().await;
            dropped.0 = None;
        }
        _ => {}
    }
    let body = body.collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    let (method, uri) = (head.method.to_string(), head.uri.to_string());
    let seen =
        Seen { method, uri, version: head.version, headers: head.headers, body: body.to_bytes(), trailers, connection };
    if probe { &state.probes } else { &state.requests }.lock().unwrap().push(seen);
    Ok(match deed {
        Some(Deed::BreakOff) => {
            Response::builder().header("content-length", 100).body(UnsyncBoxBody::new(BreakOff(None)))?
        }
        Some(Deed::Flood(bytes)) => Response::new(UnsyncBoxBody::new(Flood(bytes))),
        Some(Deed::Trailers { text, framed }) => {
            let trailers = HeaderMap::from_iter([("x-sum".parse()?, "7".parse()?)]);
            let text = Full::from(text).with_trailers(async move { Some(Ok(trailers)) });
            let body = if framed { boxed(text) } else { UnsyncBoxBody::new(Unframed(boxed(text))) };
            Response::builder().header("trailer", "x-sum").body(body)?
        }
        Some(Deed::Grpc(health, status)) => {
            let trailers = HeaderMap::from_iter([("grpc-status".parse()?, status.parse()?)]);
            let message = Full::from(vec![0, 0, 0, 0, 2, 8, health]).with_trailers(async move { Some(Ok(trailers)) });
            Response::builder().header("content-type", "application/grpc").body(boxed(message))?
        }
        _ => Response::new(boxed(Full::from("h2"))),
    })
}

fn boxed(body: impl Body<Data = Bytes, Error = Infallible> + Send + 'static) -> UnsyncBoxBody<Bytes, Failure> {
    UnsyncBoxBody::new(body.map_err(|never| match never {}))
}

struct Dropped(Option<Arc<AtomicUsize>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Three bytes, and a moment later a reset, which would take their place if it came at once.
struct BreakOff(Option<Pin<Box<Sleep>>>);

impl Body for BreakOff {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let Some(sleep) = &mut self.0 else {
            self.0 = Some(Box::pin(tokio::time::sleep(Duration::from_millis(50))));
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"abc")))));
        };
        sleep.as_mut().poll(cx).map(|()| Some(Err(h2::Error::from(Reason::INTERNAL_ERROR).into())))
    }
}

/// Does not tell its length.
struct Unframed(UnsyncBoxBody<Bytes, Failure>);

impl Body for Unframed {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }
}

struct Flood(u64);

impl Body for Flood {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        static PIECE: [u8; 16 * 1024] = [b'x'; 16 * 1024];
        let next = self.0.min(PIECE.len() as u64);
        self.0 -= next;
        Poll::Ready((next > 0).then(|| Ok(Frame::data(Bytes::from_static(&PIECE[..next as usize])))))
    }
}
