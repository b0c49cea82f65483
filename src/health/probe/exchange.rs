//! One request and its answer, over HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::{ProbeFailure, grpc, http};
use crate::model::ProbeQuestion;

/// The most that the fields of an answer may take together, in bytes.
const MAX_HEAD: u32 = 64 * 1024;

pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Sends `request` and judges the answer. Dropped, it closes the connection.
pub(super) async fn exchange(
    question: &ProbeQuestion,
    h2: bool,
    io: Box<dyn Io>,
    request: Request<Full<Bytes>>,
) -> Result<(), ProbeFailure> {
    let io = TokioIo::new(io);
    if h2 {
        let end = CancellationToken::new();
        let _guard = end.clone().drop_guard();
        let mut sender = open_h2(Tied(end), io).await.map_err(|error| unanswered(error, "2"))?;
        let response = sender.send_request(request).await.map_err(|error| unanswered(error, "2"))?;
        return judge(question, response).await;
    }
    let (mut sender, connection) = http1::handshake(io).await.map_err(|error| unanswered(error, "1.1"))?;
    // The exchange hears of a connection's end by its own channels, and may then still have bytes to look at.
    let drive = async {
        let _ended = connection.await;
        std::future::pending::<Infallible>().await
    };
    let answered = async {
        let response = sender.send_request(request).await.map_err(|error| unanswered(error, "1.1"))?;
        judge(question, response).await
    };
    tokio::select! {
        verdict = answered => verdict,
        never = drive => match never {},
    }
}

type Opened = hyper::Result<http2::SendRequest<Full<Bytes>>>;

/// Boxed, since what hyper asks of an executor is more than the compiler can follow through a future that borrows.
fn open_h2(tied: Tied, io: TokioIo<Box<dyn Io>>) -> Pin<Box<dyn Future<Output = Opened> + Send>> {
    Box::pin(async move {
        let mut builder = http2::Builder::new(tied.clone());
        let (sender, connection) = builder.max_header_list_size(MAX_HEAD).handshake(io).await?;
        tied.execute(async move {
            let _ended = connection.await;
        });
        Ok(sender)
    })
}

async fn judge(question: &ProbeQuestion, response: Response<Incoming>) -> Result<(), ProbeFailure> {
    match question {
        ProbeQuestion::Http { expect_status, expect_body, .. } => {
            http::judge(expect_status, expect_body, response).await
        }
        ProbeQuestion::Grpc { .. } => grpc::judge(response).await,
    }
}

fn unanswered(error: hyper::Error, version: &'static str) -> ProbeFailure {
    let h2 = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<h2::Error>());
    let malformed = error.is_parse() || h2.is_some_and(|error| error.is_library());
    if malformed { ProbeFailure::Malformed { version, source: error } } else { ProbeFailure::Closed(error) }
}

/// Spawns what hyper needs for an HTTP/2 connection, and ends it with the token.
#[derive(Clone)]
struct Tied(CancellationToken);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tied {
    fn execute(&self, task: F) {
        let end = self.0.clone();
        tokio::spawn(async move { end.run_until_cancelled(task).await });
    }
}
