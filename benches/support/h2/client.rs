//! A blocking client with prior knowledge: one connection, `streams` requests at a time, all for `/`.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::{frame, hpack};
use crate::support::client::PATIENCE;

/// What the server may send before it is told more; no bench reaches it.
const WINDOW: u32 = 0x7fff_0000;

#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    streams: u32,
    next: u32,
    authority: String,
}

impl Client {
    pub(crate) fn connect(addr: SocketAddr, streams: u32) -> io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut opening = frame::opening(&[]);
        frame::push_window(&mut opening, 0, WINDOW);
        stream.write_all(&opening)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096), streams, next: 1, authority: addr.to_string() })
    }

    pub(crate) fn send(&mut self) -> io::Result<()> {
        let mut out = Vec::with_capacity(1024);
        for _ in 0..self.streams {
            let block = if self.next == 1 { hpack::get("/", &self.authority) } else { hpack::get_again("/") };
            frame::push(&mut out, frame::HEADERS, frame::END_STREAM | frame::END_HEADERS, self.next, &block);
            self.next += 2;
        }
        self.stream.write_all(&out)
    }

    /// Reads the answers to all requests of one [`Client::send`]; their statuses are not looked at.
    pub(crate) fn receive(&mut self) -> io::Result<()> {
        let mut open = self.streams;
        while open > 0 {
            let Some((kind, flags, end)) = frame::first(&self.buffer) else {
                self.read()?;
                continue;
            };
            match kind {
                frame::DATA | frame::HEADERS if flags & frame::END_STREAM != 0 => open -= 1,
                frame::SETTINGS if flags & frame::ACK == 0 => {
                    let mut ack = Vec::new();
                    frame::push(&mut ack, frame::SETTINGS, frame::ACK, 0, &[]);
                    self.stream.write_all(&ack)?;
                }
                frame::PING if flags & frame::ACK == 0 => {
                    let mut ack = Vec::new();
                    frame::push(&mut ack, frame::PING, frame::ACK, 0, &self.buffer[frame::HEADER..end]);
                    self.stream.write_all(&ack)?;
                }
                frame::RST_STREAM | frame::GOAWAY => {
                    return Err(io::Error::other(format!("a frame of type {kind} instead of an answer")));
                }
                _ => {}
            }
            self.buffer.drain(..end);
        }
        Ok(())
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
