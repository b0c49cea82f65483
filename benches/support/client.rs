//! A blocking keep-alive client: one connection, one path.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may stand still before it counts as failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// What a client talks over: a socket, or TLS on one.
pub(crate) trait Transport: io::Read + io::Write + Send {}

impl<T: io::Read + io::Write + Send> Transport for T {}

pub(crate) struct Client {
    stream: Box<dyn Transport>,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(addr: SocketAddr, path: &str) -> io::Result<Self> {
        Self::connect_over(addr, path, |stream| Ok(Box::new(stream)))
    }

    /// With something put on the socket.
    pub(crate) fn connect_over(
        addr: SocketAddr,
        path: &str,
        over: impl FnOnce(TcpStream) -> io::Result<Box<dyn Transport>>,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: over(stream)?, request: request(addr, path), buffer: Vec::with_capacity(4096) })
    }

    /// Sends one request and reads its whole answer; anything but 200 is an error.
    pub(crate) fn get(&mut self) -> io::Result<()> {
        self.send()?;
        self.receive()
    }

    /// Sends from now on the cookie that the next answer sets.
    pub(crate) fn keep_cookie(&mut self) -> io::Result<()> {
        const FIELD: &str = "set-cookie: ";
        self.send()?;
        let head = loop {
            if let Some(end) = answer_end(&self.buffer)? {
                break String::from_utf8_lossy(&self.buffer.drain(..end).collect::<Vec<_>>()).into_owned();
            }
            self.read()?;
        };
        let cookie = head.lines().find_map(|line| line.strip_prefix(FIELD)?.split(';').next());
        let cookie = cookie.ok_or_else(|| io::Error::other("an answer without a cookie"))?;
        self.request.truncate(self.request.len() - 2);
        self.request.extend_from_slice(format!("Cookie: {cookie}\r\n\r\n").as_bytes());
        Ok(())
    }

    pub(crate) fn send(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.request)
    }

    pub(crate) fn receive(&mut self) -> io::Result<()> {
        loop {
            if let Some(end) = answer_end(&self.buffer)? {
                self.buffer.drain(..end);
                return Ok(());
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                self.buffer.extend_from_slice(&piece[..n]);
                Ok(())
            }
        }
    }
}

pub(crate) fn request(addr: SocketAddr, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n").into_bytes()
}

/// Where the first answer in `buffer` ends; `None`: not in it yet; an error: not a 200 with a known length.
pub(crate) fn answer_end(buffer: &[u8]) -> io::Result<Option<usize>> {
    const LENGTH: &[u8] = b"content-length:";
    let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let mut lines = buffer[..head].split(|&byte| byte == b'\n');
    let status = lines.next().unwrap_or_default();
    if !status.starts_with(b"HTTP/1.1 200") {
        return Err(io::Error::other(format!("answered `{}`", String::from_utf8_lossy(status).trim())));
    }
    let length = lines
        .find(|line| line.get(..LENGTH.len()).is_some_and(|name| name.eq_ignore_ascii_case(LENGTH)))
        .and_then(|line| std::str::from_utf8(&line[LENGTH.len()..]).ok()?.trim().parse::<usize>().ok())
        .ok_or_else(|| io::Error::other("an answer without content-length"))?;
    Ok(Some(head + 4 + length).filter(|&end| end <= buffer.len()))
}
