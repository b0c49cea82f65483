//! The agent that HAProxy asks: it says at once what was last decided, which is the best case for the asker.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::Result;

/// Answers until dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    addr: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    alert: AtomicBool,
    stop: AtomicBool,
}

impl Agent {
    pub(crate) fn start() -> Result<Self> {
        let addr = crate::support::port::free()?;
        let listener = TcpListener::bind(addr)?;
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = thread::Builder::new().name("agent".into()).spawn(move || {
            for stream in listener.incoming() {
                if shared.stop.load(Ordering::Acquire) {
                    return;
                }
                let word: &[u8] = if shared.alert.load(Ordering::Acquire) { b"down\n" } else { b"up\n" };
                if let Ok(mut stream) = stream {
                    let _ = stream.write_all(word); // an asker that left asks again
                }
            }
        })?;
        Ok(Self { addr, state, thread: Some(thread) })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn say(&self, alert: bool) {
        self.state.alert.store(alert, Ordering::Release);
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Release);
        let _ = std::net::TcpStream::connect(self.addr); // wakes the accept
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic in it has been printed
        }
    }
}
