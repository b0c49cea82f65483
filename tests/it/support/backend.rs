//! A backend that does what its script says, lies included, and remembers what came.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::script::{Script, Step};
use super::wire::{Body, Head};

/// Answers 200 with its id as body, to probes as well, until told otherwise. Ends when dropped.
pub(crate) struct Backend {
    pub(crate) id: String,
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _end: DropGuard,
}

/// One request as it arrived; probes are not among them.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: Head,
    pub(crate) body: Body,
    /// The number of the connection that it came on.
    pub(crate) connection: usize,
    /// When its head was there.
    pub(crate) at: Instant,
}

struct State {
    rules: Mutex<Vec<Rule>>,
    probe: Mutex<Script>,
    requests: Mutex<Vec<Request>>,
    probes: Mutex<Vec<Head>>,
    connections: AtomicUsize,
    received: AtomicU64,
    flooded: AtomicU64,
    ended: AtomicUsize,
}

struct Rule {
    path: String,
    reused_only: bool,
    script: Script,
}

impl Backend {
    pub(crate) fn start(id: &str) -> Self {
        let script = Script::answer(200, id);
        let state = Arc::new(State {
            rules: Mutex::default(),
            probe: Mutex::new(script.clone()),
            requests: Mutex::default(),
            probes: Mutex::default(),
            connections: AtomicUsize::new(0),
            received: AtomicU64::new(0),
            flooded: AtomicU64::new(0),
            ended: AtomicUsize::new(0),
        });
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let end = CancellationToken::new();
        let backend = Self { id: id.to_owned(), address, state: state.clone(), _end: end.clone().drop_guard() };
        backend.on("", script);
        runtime().spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            end.clone().run_until_cancelled(accept(&listener, &state, &end)).await;
        });
        backend
    }

    /// What to do with requests for `path` (without its query) from now on; the empty path stands for all others.
    pub(crate) fn on(&self, path: &str, script: Script) {
        self.rule(path, false, script);
    }

    /// The same for requests that are not the first on their connection, before what [`Backend::on`] says.
    pub(crate) fn on_reused(&self, path: &str, script: Script) {
        self.rule(path, true, script);
    }

    /// What to do with probes from now on.
    pub(crate) fn on_probe(&self, script: Script) {
        *self.state.probe.lock().unwrap() = script;
    }

    /// Lets probes pass with 200, or fail with 500.
    pub(crate) fn set_healthy(&self, healthy: bool) {
        self.on_probe(Script::answer(if healthy { 200 } else { 500 }, &self.id));
    }

    /// What came so far, probes apart, in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    /// How many requests came so far, probes apart.
    pub(crate) fn count(&self) -> usize {
        self.state.requests.lock().unwrap().len()
    }

    /// How many requests came so far, by method and path.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for request in self.state.requests.lock().unwrap().iter() {
            *counts.entry(format!("{} {}", request.head.word(0), path(&request.head))).or_default() += 1;
        }
        counts
    }

    /// The heads of the probes that came so far.
    pub(crate) fn probes(&self) -> Vec<Head> {
        self.state.probes.lock().unwrap().clone()
    }

    /// How many connections came so far, those of probes among them.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Bytes of request bodies that came so far, framing left out.
    pub(crate) fn received(&self) -> u64 {
        self.state.received.load(Ordering::SeqCst)
    }

    /// Bytes that `Script::flood` could write so far.
    pub(crate) fn flooded(&self) -> u64 {
        self.state.flooded.load(Ordering::SeqCst)
    }

    /// How often `Script::await_end` saw the peer go away.
    pub(crate) fn ended(&self) -> usize {
        self.state.ended.load(Ordering::SeqCst)
    }

    fn rule(&self, path: &str, reused_only: bool, script: Script) {
        let mut rules = self.state.rules.lock().unwrap();
        rules.retain(|rule| rule.path != path || rule.reused_only != reused_only);
        rules.push(Rule { path: path.to_owned(), reused_only, script });
    }
}

/// An address that refuses connections for as long as this lives: bound, so that nobody else gets it, not listening.
pub(crate) struct Refusing {
    pub(crate) address: SocketAddr,
    _socket: Socket,
}

impl Refusing {
    pub(crate) fn start() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        Self { address, _socket: socket }
    }
}

/// All backends of the test run share one thread, whatever runtime their test has.
fn runtime() -> &'static Handle {
    static RUNTIME: OnceLock<Handle> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        handle
    })
}

async fn accept(listener: &TcpListener, state: &Arc<State>, end: &CancellationToken) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let connection = state.connections.fetch_add(1, Ordering::SeqCst);
        let conversation = Conversation { stream, buffer: Vec::new(), connection, state: state.clone() };
        let end = end.clone();
        tokio::spawn(async move { end.run_until_cancelled(conversation.run()).await });
    }
}

/// One connection.
struct Conversation {
    stream: TcpStream,
    buffer: Vec<u8>,
    connection: usize,
    state: Arc<State>,
}

/// The connection is over, by the script or by the peer.
struct Over;

impl Conversation {
    async fn run(mut self) {
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
        let path = path(head);
        let rules = self.state.rules.lock().unwrap();
        let fits = |wanted: &str, reused_only| {
            rules.iter().find(|rule| rule.path == wanted && rule.reused_only == reused_only)
        };
        let rule = reused.then(|| fits(path, true)).flatten().or_else(|| fits(path, false)).or_else(|| fits("", false));
        let script = rule.map(|rule| rule.script.clone()).unwrap_or_default();
        let mut requests = self.state.requests.lock().unwrap();
        let body = Body::of_request(head);
        requests.push(Request { head: head.clone(), body, connection: self.connection, at: Instant::now() });
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

    async fn await_end(&mut self) -> Result<(), Over> {
        while self.read().await.is_ok() {
            self.buffer.clear();
        }
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

fn path(head: &Head) -> &str {
    head.word(1).split('?').next().unwrap_or_default()
}

fn as_text(head: &Head, body: &Body) -> String {
    let lines = |fields: &[(String, String)]| {
        fields.iter().map(|(name, value)| format!("{}: {value}\r\n", name.to_ascii_lowercase())).collect::<String>()
    };
    let text = String::from_utf8_lossy(&body.bytes);
    format!("{}\r\n{}\r\n{text}\r\n{}", head.start, lines(&head.fields), lines(&body.trailers))
}
