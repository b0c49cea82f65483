//! A client that sends the bytes it is given and shows what comes back, complete or not.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::eventually::{DEADLINE, for_a_while};
use super::wire::{Body, Head};

/// One connection to a server. Every read and write has a deadline.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A response that came whole.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) head: Head,
    pub(crate) body: Body,
    /// The statuses of the 1xx responses that came before.
    pub(crate) interim: Vec<u16>,
}

/// A response that did not come whole.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The connection ended before a response's head.
    NoHead,
    /// The connection ended within the body.
    InBody(Box<Response>),
    /// The deadline passed, or the system said no.
    Failed(io::Error),
}

impl Response {
    pub(crate) fn status(&self) -> u16 {
        self.head.status()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body.bytes).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body.bytes).unwrap_or_else(|error| panic!("{error} in `{}`", self.text()))
    }
}

impl Connection {
    #[track_caller]
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::try_open(address).unwrap_or_else(|error| panic!("connect to {address}: {error}"))
    }

    pub(crate) fn try_open(address: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect_timeout(&address, DEADLINE)?)
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// The same with another deadline for every read and write.
    #[track_caller]
    pub(crate) fn open_patiently(address: SocketAddr, deadline: Duration) -> Self {
        let connection = Self::open(address);
        connection.stream.set_read_timeout(Some(deadline)).unwrap();
        connection.stream.set_write_timeout(Some(deadline)).unwrap();
        connection
    }

    /// The same with a small buffer for what comes.
    #[track_caller]
    pub(crate) fn open_narrow(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket.connect_timeout(&address.into(), DEADLINE).unwrap();
        Self::over(socket.into()).unwrap()
    }

    /// The same from an address of this host, such as 127.0.0.2.
    #[track_caller]
    pub(crate) fn open_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
        socket.connect_timeout(&address.into(), DEADLINE).unwrap();
        Self::over(socket.into()).unwrap()
    }

    /// Of this end.
    pub(crate) fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// One request without a body; `fields` are whole lines without their ends.
    #[track_caller]
    pub(crate) fn request(&mut self, method: &str, target: &str, fields: &[&str]) -> Response {
        self.send(request(method, target, fields));
        if method == "HEAD" { self.receive_bodiless() } else { self.receive() }
    }

    #[track_caller]
    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.request("GET", target, &[])
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// The next response, which must come whole.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Response {
        self.try_receive().unwrap_or_else(|broken| panic!("no whole response: {broken}"))
    }

    /// The same for the answer to a `HEAD`.
    #[track_caller]
    pub(crate) fn receive_bodiless(&mut self) -> Response {
        self.response(true).unwrap_or_else(|broken| panic!("no whole response: {broken}"))
    }

    pub(crate) fn try_receive(&mut self) -> Result<Response, Broken> {
        self.response(false)
    }

    /// The next response, complete or not; `bodiless`: it answers a `HEAD`.
    #[allow(dead_code, reason = "the fault suite uses it")]
    pub(crate) fn try_receive_to(&mut self, bodiless: bool) -> Result<Response, Broken> {
        self.response(bodiless)
    }

    /// Whether something unasked has come, or the end, as a client looks before it uses a connection again.
    pub(crate) fn has_ended(&self) -> bool {
        let peeked = self.stream.set_nonblocking(true).and_then(|()| self.stream.peek(&mut [0]));
        let open = matches!(&peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        !open || self.stream.set_nonblocking(false).is_err()
    }

    /// Sends, and reads the answer at the same time.
    #[track_caller]
    pub(crate) fn exchange(&mut self, bytes: &str) -> Response {
        let mut writer = self.stream.try_clone().unwrap();
        std::thread::scope(|scope| {
            let writing = scope.spawn(move || writer.write_all(bytes.as_bytes()));
            let answer = self.receive();
            writing.join().unwrap().unwrap();
            answer
        })
    }

    /// The next head, interim responses among them; what follows stays to be read by [`Connection::receive_until`].
    #[track_caller]
    pub(crate) fn receive_head(&mut self) -> Head {
        loop {
            if let Some(head) = Head::take(&mut self.buffer) {
                return head;
            }
            assert!(self.read().unwrap() > 0, "the connection ended before a head");
        }
    }

    /// Reads on until the raw bytes after the head contain `text`.
    #[track_caller]
    pub(crate) fn receive_until(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.buffer).contains(text) {
            assert!(self.read().unwrap() > 0, "the connection ended before `{text}`");
        }
    }

    /// Takes in what has come, in so many steps of at most 64 KiB with a pause before each: a slow reader.
    pub(crate) fn dawdle(&mut self, steps: u32, pause: Duration) {
        for _ in 0..steps {
            for_a_while(pause);
            self.read().unwrap();
        }
    }

    /// Reads on to the end of the connection and gives what came.
    pub(crate) fn receive_to_end(&mut self) -> io::Result<Vec<u8>> {
        while self.read()? > 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// Breaks the connection off with a TCP reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Writes `piece` again and again until nothing more is taken for a second, or `limit` bytes are reached. Gives
    /// the number of bytes taken.
    pub(crate) fn write_until_blocked(&mut self, piece: &[u8], limit: u64) -> u64 {
        self.stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut taken = 0;
        while taken < limit {
            match self.stream.write(piece) {
                Ok(part) => taken += part as u64,
                Err(_) => break,
            }
        }
        self.stream.set_write_timeout(Some(DEADLINE)).unwrap();
        taken
    }

    fn response(&mut self, bodiless: bool) -> Result<Response, Broken> {
        let mut interim = Vec::new();
        let head = loop {
            match Head::take(&mut self.buffer) {
                Some(head) if (100..200).contains(&head.status()) => interim.push(head.status()),
                Some(head) => break head,
                None if self.read().map_err(Broken::from_read)? == 0 => return Err(Broken::NoHead),
                None => {}
            }
        };
        let mut response = Response { body: Body::of_response(&head, bodiless), head, interim };
        while !response.body.take(&mut self.buffer) {
            match self.read() {
                Ok(0) if response.body.ended_by_close() => break,
                Ok(0) => return Err(Broken::InBody(Box::new(response))),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(Broken::InBody(Box::new(response)));
                }
                Err(error) => return Err(Broken::Failed(error)),
                Ok(_) => {}
            }
        }
        Ok(response)
    }

    fn read(&mut self) -> io::Result<usize> {
        let mut part = [0; 64 * 1024];
        let length = self.stream.read(&mut part)?;
        self.buffer.extend_from_slice(&part[..length]);
        Ok(length)
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoHead => f.write_str("the connection ended before a head"),
            Self::InBody(response) => write!(f, "the connection ended within the body of {response:?}"),
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl Broken {
    fn from_read(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::ConnectionReset { Self::NoHead } else { Self::Failed(error) }
    }
}

/// One request on a connection of its own.
#[track_caller]
pub(crate) fn get(address: SocketAddr, target: &str) -> Response {
    Connection::open(address).get(target)
}

/// The bytes of a request without a body. `Host` is `test` unless a field says otherwise.
pub(crate) fn request(method: &str, target: &str, fields: &[&str]) -> String {
    let host =
        if fields.iter().any(|field| field.to_ascii_lowercase().starts_with("host:")) { "" } else { "Host: test\r\n" };
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!("{method} {target} HTTP/1.1\r\n{host}{fields}\r\n")
}
