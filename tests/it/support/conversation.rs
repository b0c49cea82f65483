//! A backend's side of one connection: reads requests and does what the script says.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::backend::{Request, State};
use super::script::{Script, Step};
use super::wire::{Body, Head};

/// One connection to a backend.
pub(super) struct Conversation {
    stream: TcpStream,
    buffer: Vec<u8>,
    connection: usize,
    state: Arc<State>,
}

/// The connection is over, by the script or by the peer.
struct Over;

impl Conversation {
    pub(super) fn new(stream: TcpStream, connection: usize, state: Arc<State>) -> Self {
        Self { stream, buffer: Vec::new(), connection, state }
    }

    pub(super) async fn run(mut self) {
        // A failed option costs speed at most.
        let _ = self.stream.set_nodelay(true);
        let mut reused = false;
        while self.serve(reused).await.is_ok() {
            reused = true;
        }
    }

    async fn serve(&mut self, reused: bool) -> Result<(), Over> {
        let head = loop {
            if let Some(head) = Head::take(&mut self.buffer) {
                break head;
            }
            self.read().await?;
        };
        let (script, record) = self.note(&head, reused);
        let mut body = Body::of_request(&head);
        for step in script.0 {
            self.perform(step, &head, &mut body, record).await?;
        }
        self.read_body(&mut body, record).await
    }

    /// Finds the script and remembers the request; the number is where.
    fn note(&self, head: &Head, reused: bool) -> (Script, Option<usize>) {
        if head.get("user-agent").is_some_and(|agent| agent.starts_with("coalmine-probe")) {
            self.state.probes.lock().unwrap().push(head.clone());
            return (self.state.probe.lock().unwrap().clone(), None);
        }
        let path = head.path();
        let rules = self.state.rules.lock().unwrap();
        let fits = |wanted: &str, reused_only| {
            rules.iter().find(|rule| rule.path == wanted && rule.reused_only == reused_only)
        };
        let rule = reused.then(|| fits(path, true)).flatten().or_else(|| fits(path, false)).or_else(|| fits("", false));
        let script = rule.map(|rule| rule.script.clone()).unwrap_or_default();
        let mut requests = self.state.requests.lock().unwrap();
        let body = Body::of_request(head);
        requests.push(Request { head: head.clone(), body, connection: self.connection });
        (script, Some(requests.len() - 1))
    }

    async fn perform(&mut self, step: Step, head: &Head, body: &mut Body, record: Option<usize>) -> Result<(), Over> {
        match step {
            Step::ReadBody => self.read_body(body, record).await,
            Step::Echo => {
                self.read_body(body, record).await?;
                let text = as_text(head, body);
                let length = text.len();
                self.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{text}").as_bytes()).await
            }
            Step::EchoChunked => {
                self.read_body(body, record).await?;
                self.write(as_chunks(head, body).as_bytes()).await
            }
            Step::Duplex(bytes) => self.duplex(bytes, body).await,
            Step::Send(bytes) => self.write(&bytes).await,
            Step::Flood(bytes) => self.flood(bytes).await,
            Step::Wait(pause) => {
                tokio::time::sleep(pause).await;
                Ok(())
            }
            Step::Hold(latch) => {
                latch.opened().await;
                Ok(())
            }
            Step::AwaitEnd => self.await_end().await,
            Step::Mirror => self.mirror().await,
            Step::Overhear(pause) => {
                // Nothing comes, as a rule.
                let _ = tokio::time::timeout(pause, self.read()).await;
                self.state.received.fetch_add(self.buffer.len() as u64, Ordering::SeqCst);
                Ok(())
            }
            Step::HalfClose => {
                self.stream.shutdown().await.map_err(|_| Over)?;
                self.await_end().await
            }
            Step::Close => {
                // The peer may have gone first.
                let _ = self.stream.shutdown().await;
                Err(Over)
            }
            Step::Reset => {
                SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
                Err(Over)
            }
        }
    }

    async fn read_body(&mut self, body: &mut Body, record: Option<usize>) -> Result<(), Over> {
        loop {
            let before = body.bytes.len();
            let complete = body.take(&mut self.buffer);
            self.state.received.fetch_add((body.bytes.len() - before) as u64, Ordering::SeqCst);
            if complete {
                if let Some(record) = record {
                    self.state.requests.lock().unwrap()[record].body = body.clone();
                }
                return Ok(());
            }
            self.read().await?;
        }
    }

    async fn duplex(&mut self, bytes: u64, body: &mut Body) -> Result<(), Over> {
        let (mut incoming, mut outgoing) = self.stream.split();
        let buffer = &mut self.buffer;
        let read = async {
            while !body.take(buffer) {
                if incoming.read_buf(buffer).await.map_or(0, |length| length) == 0 {
                    return Err(Over);
                }
            }
            Ok(())
        };
        let write =
            async { tokio::io::copy(&mut tokio::io::repeat(0).take(bytes), &mut outgoing).await.map_err(|_| Over) };
        tokio::try_join!(read, write).map(|_| ())
    }

    async fn await_end(&mut self) -> Result<(), Over> {
        while self.read().await.is_ok() {
            self.buffer.clear();
        }
        self.state.ended.fetch_add(1, Ordering::SeqCst);
        Err(Over)
    }

    async fn mirror(&mut self) -> Result<(), Over> {
        loop {
            let bytes = std::mem::take(&mut self.buffer);
            self.write(&bytes).await?;
            if self.read().await.is_err() {
                break;
            }
        }
        // The peer may have gone.
        let _ = self.stream.shutdown().await;
        self.state.ended.fetch_add(1, Ordering::SeqCst);
        Err(Over)
    }

    async fn flood(&mut self, bytes: u64) -> Result<(), Over> {
        let zeros = vec![0; 64 * 1024];
        let mut left = bytes;
        while left > 0 {
            let part = usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len());
            let written = self.stream.write(&zeros[..part]).await.map_err(|_| Over)? as u64;
            self.state.flooded.fetch_add(written, Ordering::SeqCst);
            left -= written;
        }
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Over> {
        self.stream.write_all(bytes).await.map_err(|_| Over)
    }

    async fn read(&mut self) -> Result<(), Over> {
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => Err(Over),
            Ok(_) => Ok(()),
        }
    }
}

fn as_chunks(head: &Head, body: &Body) -> String {
    let text = as_text(head, body);
    let (first, second) = text.split_at(text.len() / 2);
    let chunks: String = [first, second].iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
    let length = body.bytes.len();
    format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: X-Length\r\n\r\n{chunks}0\r\nX-Length: {length}\r\n\r\n"
    )
}

fn as_text(head: &Head, body: &Body) -> String {
    let lines = |fields: &[(String, String)]| {
        fields.iter().map(|(name, value)| format!("{}: {value}\r\n", name.to_ascii_lowercase())).collect::<String>()
    };
    let text = String::from_utf8_lossy(&body.bytes);
    format!("{}\r\n{}\r\n{text}\r\n{}", head.start, lines(&head.fields), lines(&body.trailers))
}
