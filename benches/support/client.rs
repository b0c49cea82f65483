//! A blocking keep-alive client: one connection, one path.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may stand still before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(addr: SocketAddr, path: &str) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n").into_bytes();
        Ok(Self { stream, request, buffer: Vec::with_capacity(4096) })
    }

    /// Sends one request and reads its whole answer; anything but 200 is an error.
    pub(crate) fn get(&mut self) -> io::Result<()> {
        self.send()?;
        self.receive()
    }

    pub(crate) fn send(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.request)
    }

    pub(crate) fn receive(&mut self) -> io::Result<()> {
        let head = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.read_more()?;
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
        let status = text.lines().next().unwrap_or_default();
        if !status.starts_with("http/1.1 200") {
            return Err(io::Error::other(format!("answered `{status}`")));
        }
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|value| value.trim().parse::<usize>().ok())
            .ok_or_else(|| io::Error::other("an answer without content-length"))?;
        while self.buffer.len() < head + length {
            self.read_more()?;
        }
        self.buffer.drain(..head + length);
        Ok(())
    }

    fn read_more(&mut self) -> io::Result<()> {
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
