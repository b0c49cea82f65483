//! How a connection is refused for which there is no place, or that asks for too much: at once, and so that its client
//! knows.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::crowd::Stay;
use super::worker::Worker;
use crate::metrics::Refused;
use crate::model::Scheme;

const ANSWER: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\nretry-after: 1\r\n\
                      connection: close\r\ncontent-length: 34\r\n\r\n503 service unavailable: overload\n";
const OVERLONG: &str = "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n\
                        connection: close\r\ncontent-length: 36\r\n\r\n431 request header fields too large\n";
/// How long a client has to take the answer and go.
const PATIENCE: Duration = Duration::from_secs(1);

/// Refuses a connection for `reason`. On plain text the client is told, with 503; over TLS that would cost a handshake.
///
/// Never blocks: the answer is short and the first thing that is written. It would be lost if the socket were closed
/// over a request that nobody has read, because that resets the connection; so a task of its own reads on until the
/// client has gone. There are few such tasks; without one what has come by now is read, and that has to do.
pub(super) fn refuse(worker: &Arc<Worker>, scheme: Scheme, tcp: TcpStream, reason: Refused) {
    worker.metrics.refused.count(reason);
    if scheme == Scheme::Https {
        return;
    }
    let socket = SockRef::from(&tcp);
    // A client that has gone already is told nothing.
    let told = (&*socket).write(ANSWER.as_bytes()).and_then(|_| socket.shutdown(Shutdown::Write));
    if told.is_err() {
        return;
    }
    match Stay::begin(&worker.crowd.farewells) {
        Some(stay) => worker.spawn_uncounted(async move {
            let _ = tokio::time::timeout(PATIENCE, read_on(tcp)).await;
            drop(stay);
        }),
        None => {
            let _ = (&*socket).read(&mut [0; 4096]);
        }
    }
}

/// Ends a connection on which a head is too long to be read to its end, so that no parser could answer it.
pub(super) async fn overlong(mut io: impl AsyncWrite + Unpin) {
    let told = async {
        io.write_all(OVERLONG.as_bytes()).await?;
        io.shutdown().await
    };
    // A client that takes nothing is told nothing.
    let _ = tokio::time::timeout(PATIENCE, told).await;
}

/// Ends when the client does.
async fn read_on(mut tcp: TcpStream) {
    let mut nothing = [0; 1024];
    while tcp.read(&mut nothing).await.is_ok_and(|bytes| bytes > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_have_the_length_that_they_say() {
        for answer in [ANSWER, OVERLONG] {
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.ends_with(&format!("content-length: {}", body.len())), "{}", body.len());
        }
    }
}
