//! A backend that does what its script says, lies included, and remembers what came.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::conversation::Conversation;
use super::script::Script;
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
}

pub(super) struct State {
    pub(super) rules: Mutex<Vec<Rule>>,
    pub(super) probe: Mutex<Script>,
    pub(super) requests: Mutex<Vec<Request>>,
    pub(super) probes: Mutex<Vec<Head>>,
    pub(super) connections: AtomicUsize,
    pub(super) received: AtomicU64,
    pub(super) flooded: AtomicU64,
    pub(super) ended: AtomicUsize,
}

pub(super) struct Rule {
    pub(super) path: String,
    pub(super) reused_only: bool,
    pub(super) script: Script,
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
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        // Not std's 128: floods on this one thread may keep it from taking connections for a while.
        listener.listen(4096).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = std::net::TcpListener::from(listener);
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
            *counts.entry(format!("{} {}", request.head.word(0), request.head.path())).or_default() += 1;
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

/// All backends and clients of the test run that need one share one thread, whatever runtime their test has.
pub(super) fn runtime() -> &'static Handle {
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
        let conversation = Conversation::new(stream, connection, state.clone());
        let end = end.clone();
        tokio::spawn(async move { end.run_until_cancelled(conversation.run()).await });
    }
}
