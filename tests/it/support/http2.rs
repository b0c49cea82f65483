//! A client that speaks HTTP/2 with prior knowledge and means well.

use std::future::Future;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Method, Request, StatusCode};
use tokio::task::JoinHandle;

use super::backend::runtime;
use super::eventually::DEADLINE;

/// One connection, with any number of requests at once. Every wait has a deadline.
pub(crate) struct Http2 {
    sender: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

/// An answer that came whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.as_ref()?.get(name)?.to_str().ok()
    }
}

/// One request under way.
pub(crate) struct Exchange {
    response: ResponseFuture,
    upload: SendStream<Bytes>,
    download: Option<RecvStream>,
}

impl Http2 {
    #[track_caller]
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::open_with(address, |_| {})
    }

    /// With settings of its own.
    #[track_caller]
    pub(crate) fn open_with(address: SocketAddr, settings: impl FnOnce(&mut h2::client::Builder)) -> Self {
        let mut builder = h2::client::Builder::new();
        settings(&mut builder);
        let (sender, connection) = within(async {
            let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
            tcp.set_nodelay(true).unwrap();
            builder.handshake(tcp).await.unwrap()
        });
        let connection = runtime().spawn(connection);
        Self { sender, connection }
    }

    /// One request without a body.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.begin(get(path), true).answer().unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Sends a request's head. `ended`: there is no body.
    #[track_caller]
    pub(crate) fn begin(&self, request: Request<()>, ended: bool) -> Exchange {
        self.try_begin(request, ended).unwrap_or_else(|error| panic!("the request cannot be sent: {error}"))
    }

    pub(crate) fn try_begin(&self, request: Request<()>, ended: bool) -> Result<Exchange, h2::Error> {
        let mut sender = within(self.sender.clone().ready())?;
        let (response, upload) = sender.send_request(request, ended)?;
        Ok(Exchange { response, upload, download: None })
    }

    /// How the connection ended.
    pub(crate) fn ended(&mut self) -> Result<(), h2::Error> {
        within(&mut self.connection).unwrap()
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Exchange {
    #[track_caller]
    pub(crate) fn send(&mut self, data: impl Into<Bytes>) {
        self.upload.send_data(data.into(), false).unwrap();
    }

    /// Sends a whole body, unless the answer was faster and has ended the stream.
    pub(crate) fn send_whole(&mut self, data: impl Into<Bytes>) {
        let _ended = self.upload.send_data(data.into(), true);
    }

    #[track_caller]
    pub(crate) fn finish(&mut self) {
        self.upload.send_data(Bytes::new(), true).unwrap();
    }

    #[track_caller]
    pub(crate) fn finish_with(&mut self, trailers: HeaderMap) {
        self.upload.send_trailers(trailers).unwrap();
    }

    pub(crate) fn reset(&mut self) {
        self.upload.send_reset(Reason::CANCEL);
    }

    /// Why the other side reset the stream.
    pub(crate) fn was_reset(&mut self) -> Result<Reason, h2::Error> {
        within(std::future::poll_fn(|cx| self.upload.poll_reset(cx)))
    }

    /// Waits for the answer's head.
    pub(crate) fn head(&mut self) -> Result<(StatusCode, HeaderMap), h2::Error> {
        let (head, body) = within(&mut self.response)?.into_parts();
        self.download = Some(body);
        Ok((head.status, head.headers))
    }

    /// The next part of the answer's body, after its head.
    pub(crate) fn next(&mut self) -> Option<Result<Bytes, h2::Error>> {
        let body = self.download.as_mut()?;
        loop {
            let part = within(body.data())?;
            if let Ok(part) = &part {
                body.flow_control().release_capacity(part.len()).unwrap();
            }
            if !part.as_ref().is_ok_and(Bytes::is_empty) {
                return Some(part);
            }
        }
    }

    /// Waits for all of the answer.
    pub(crate) fn answer(mut self) -> Result<Answer, h2::Error> {
        let (status, headers) = self.head()?;
        let mut body = Vec::new();
        while let Some(part) = self.next() {
            body.extend_from_slice(&part?);
        }
        let trailers = match &mut self.download {
            Some(download) => within(download.trailers())?,
            None => None,
        };
        Ok(Answer { status, headers, body, trailers })
    }
}

/// A request without fields.
pub(crate) fn get(path: &str) -> Request<()> {
    with(Method::GET, path, &[])
}

pub(crate) fn with(method: Method, path: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(format!("http://test{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

#[track_caller]
fn within<T>(future: impl Future<Output = T>) -> T {
    let timed = runtime().block_on(async { tokio::time::timeout(DEADLINE, future).await });
    timed.unwrap_or_else(|_| panic!("not within {DEADLINE:?}"))
}
