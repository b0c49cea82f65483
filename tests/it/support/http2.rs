//! Clients that speak HTTP/2 with prior knowledge: one that means well, and one that sends any frame.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

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

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A connection on which the test writes every frame itself.
pub(crate) struct Frames {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A frame as it came.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The code of a RST_STREAM or GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

impl Frames {
    /// Says that HTTP/2 is spoken, with these settings.
    #[track_caller]
    pub(crate) fn open(address: SocketAddr, settings: &[u8]) -> Self {
        let mut frames = Self::silent(address);
        frames.raw(PREFACE).unwrap();
        frames.send(SETTINGS, 0, 0, settings).unwrap();
        frames
    }

    /// Says nothing yet.
    #[track_caller]
    pub(crate) fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Another hand on the same connection, for a thread that reads.
    pub(crate) fn reader(&self) -> Self {
        Self { stream: self.stream.try_clone().unwrap(), buffer: self.buffer.clone() }
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        self.raw(&frame(kind, flags, stream, payload))
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take() {
                return Some(frame);
            }
            let mut part = [0; 16 * 1024];
            match self.stream.read(&mut part) {
                Ok(0) => return None,
                Ok(length) => self.buffer.extend_from_slice(&part[..length]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no frame: {error}"),
            }
        }
    }

    /// The next frame of this kind; `None` when the connection ends before.
    pub(crate) fn next_of(&mut self, kind: u8) -> Option<Frame> {
        std::iter::from_fn(|| self.next()).find(|frame| frame.kind == kind)
    }

    fn take(&mut self) -> Option<Frame> {
        let [a, b, c, kind, _, s, t, u, v] = *self.buffer.first_chunk::<9>()?;
        let end = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
        let payload = self.buffer.get(9..end)?.to_vec();
        self.buffer.drain(..end);
        Some(Frame { kind, stream: u32::from_be_bytes([s, t, u, v]), payload })
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A header block of fields that are spelled out (RFC 7541, 6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "one byte holds the length");
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// The block of a `GET`.
pub(crate) fn get_block(path: &str) -> Vec<u8> {
    block(&[(":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", path)])
}
