//! One connection of a client, of either version of HTTP, over TLS or not.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::requests;
use crate::support::tls;

pub(crate) struct Visitor {
    sender: Sender,
    address: SocketAddr,
    tls: bool,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Visitor {
    pub(crate) async fn connect(address: SocketAddr, http2: bool, tls: Option<Arc<ClientConfig>>) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let over_tls = tls.is_some();
        let sender = match tls {
            Some(config) => {
                let stream = TlsConnector::from(config).connect(tls::server_name(), stream).await?;
                Sender::over(stream, http2).await?
            }
            None => Sender::over(stream, http2).await?,
        };
        Ok(Self { sender, address, tls: over_tls })
    }

    /// Sends so many requests on each of `streams` at a time, and goes. With `cookies` it shows those that it was given.
    pub(crate) async fn stay(self, streams: u32, requests: u32, seed: u64, cookies: bool) -> Result<()> {
        let (address, tls) = (self.address, self.tls);
        match self.sender {
            Sender::Http1(mut sender) => {
                let mut random = fastrand::Rng::with_seed(seed);
                let mut cookie = None;
                for _ in 0..requests {
                    let request = requests::http1(&mut random, address, cookie.as_ref());
                    read(sender.send_request(request), cookies, &mut cookie).await?;
                    sender.ready().await?;
                }
            }
            Sender::Http2(sender) => {
                let stream = async |number: u32| {
                    let mut sender = sender.clone();
                    let mut random = fastrand::Rng::with_seed(seed ^ u64::from(number) << 16);
                    let mut cookie = None;
                    for _ in 0..requests {
                        let request = requests::http2(&mut random, address, tls, cookie.as_ref());
                        read(sender.send_request(request), cookies, &mut cookie).await?;
                    }
                    anyhow::Ok(())
                };
                futures_util::future::try_join_all((0..streams).map(stream)).await?;
            }
        }
        Ok(())
    }
}

impl Sender {
    async fn over(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, http2: bool) -> Result<Self> {
        let io = TokioIo::new(io);
        // A connection that ends too early shows in its requests.
        Ok(if http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(async move { connection.await.ok() });
            Self::Http2(sender)
        } else {
            let (sender, connection) = http1::handshake(io).await?;
            tokio::spawn(async move { connection.await.ok() });
            Self::Http1(sender)
        })
    }
}

/// Reads the whole answer, and keeps its cookie where cookies are kept.
async fn read(
    answer: impl Future<Output = hyper::Result<Response<Incoming>>>,
    cookies: bool,
    cookie: &mut Option<HeaderValue>,
) -> Result<()> {
    let response = answer.await?;
    ensure!(response.status() == StatusCode::OK, "answered {}", response.status());
    if cookies && let Some(set) = response.headers().get("set-cookie") {
        let pair = set.to_str()?.split(';').next().context("an empty cookie")?;
        *cookie = Some(HeaderValue::try_from(pair)?);
    }
    response.into_body().collect().await?;
    Ok(())
}
