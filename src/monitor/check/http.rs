//! A URL that answers.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::health::probe::{Place, probe};
use crate::model::{Endpoint, ProbeQuestion, ProbeSpec, StatusRanges};

/// 1 when a GET is answered in time with one of the statuses, else 0.
pub(super) async fn ask(endpoint: &Endpoint, path: &str, expect_status: &StatusRanges, limit: Duration) -> f64 {
    let spec = ProbeSpec {
        question: ProbeQuestion::Http {
            path: path.to_owned(),
            expect_status: expect_status.clone(),
            expect_body: String::new(),
        },
        host: String::new(),
        interval: limit,
        timeout: limit,
        fall: NonZeroU32::MIN,
        rise: NonZeroU32::MIN,
    };
    let asked = async {
        let addresses: Vec<SocketAddr> = lookup_host((&*endpoint.host, endpoint.port)).await.ok()?.collect();
        probe(&spec, &Place::plain(endpoint.clone()), &addresses).await.ok()
    };
    // Of the name and the answer together.
    if timeout(limit, asked).await.is_ok_and(|answered| answered.is_some()) { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    async fn answering(status: &'static str) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            assert!(stream.read(&mut head).await.unwrap() > 0);
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.read(&mut head).await;
        });
        Endpoint { host: "127.0.0.1".into(), port }
    }

    #[tokio::test]
    async fn an_expected_status_is_1_and_anything_else_0() {
        let expected = StatusRanges::new(vec![200..=399]).unwrap();
        assert_eq!(ask(&answering("204 No Content").await, "/healthz", &expected, PATIENCE).await, 1.0);
        assert_eq!(ask(&answering("503 Bad").await, "/healthz", &expected, PATIENCE).await, 0.0);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = Endpoint { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
        assert_eq!(ask(&silent, "/", &expected, Duration::from_millis(50)).await, 0.0);
        drop(listener);
        assert_eq!(ask(&silent, "/", &expected, PATIENCE).await, 0.0, "refused");
    }
}
