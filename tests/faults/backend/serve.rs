//! What runs in a backend's process: this test binary once more, running one test.

use std::env;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::log::Log;
use super::mode::{Answer, Mode};
use super::{ANSWERED_BY, ID, LISTEN, LISTENING, LOG, NUMBER, PROBE_PATH};
use crate::support::wire::{Body, Head};

/// Longer than any timeout of a balancer on the stage, shorter than a client's patience.
const LATE: Duration = Duration::from_secs(5);

/// Body of a good answer, after its first line.
const FILLING: usize = 1000;

struct State {
    id: String,
    log: Log,
    mode: Mutex<Mode>,
    /// Draws who is treated badly.
    random: Mutex<fastrand::Rng>,
}

/// The process's `main`. Among the tests, where the variable is not set, it has nothing to do.
#[test]
#[allow(clippy::print_stdout, reason = "the parent process waits for this line")]
fn entry() {
    let Ok(id) = env::var(ID) else { return };
    let address: SocketAddr = env::var(LISTEN).unwrap().parse().unwrap();
    let log = Log::open(&env::var(LOG).unwrap());
    let state = State { id, log, mode: Mutex::default(), random: Mutex::new(fastrand::Rng::with_seed(1)) };
    let state = Arc::new(state);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
    println!("\n{LISTENING}");
    let serving = state.clone();
    thread::spawn(move || runtime.block_on(accept(listener, serving)));
    // Ends with the parent, however that ends.
    for line in std::io::stdin().lock().lines() {
        *state.mode.lock().unwrap() = line.unwrap().parse().unwrap();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        tokio::spawn(converse(stream, state.clone()));
    }
}

async fn converse(mut stream: TcpStream, state: Arc<State>) {
    let mut buffer = Vec::new();
    while let Some((head, body)) = receive(&mut stream, &mut buffer).await {
        if head.path() == PROBE_PATH {
            let status = if state.mode.lock().unwrap().probes_pass { 200 } else { 503 };
            if stream.write_all(&response(&state.id, &head, &body, status)).await.is_err() {
                return;
            }
            continue;
        }
        let answer = state.draw();
        state.log.write(&number(&head), head.word(0), answer);
        let good = response(&state.id, &head, &body, 200);
        let sent = match answer {
            Answer::Well => stream.write_all(&good).await,
            Answer::Error => stream.write_all(&response(&state.id, &head, &body, 500)).await,
            Answer::Late => {
                tokio::time::sleep(LATE).await;
                stream.write_all(&good).await
            }
            Answer::Reset => {
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                return;
            }
            Answer::HalfHead => {
                let _ = stream.write_all(&good[..30]).await;
                return;
            }
            Answer::HalfBody => {
                // An answer to HEAD has no body to end in.
                let half = if head.word(0) == "HEAD" { good.len() } else { good.len() - FILLING / 2 };
                let _ = stream.write_all(&good[..half]).await;
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn receive(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(Head, Body)> {
    let head = loop {
        match Head::take(buffer) {
            Some(head) => break head,
            None if stream.read_buf(buffer).await.ok()? == 0 => return None,
            None => {}
        }
    };
    let mut body = Body::of_request(&head);
    while !body.take(buffer) {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, body))
}

fn response(id: &str, head: &Head, body: &Body, status: u16) -> Vec<u8> {
    let text = answer_text(id, &number(head), head.word(0), body.bytes.len());
    let fields = format!("Content-Type: text/plain\r\nContent-Length: {}\r\n{ANSWERED_BY}: {id}", text.len());
    let text = if head.word(0) == "HEAD" { "" } else { &text };
    format!("HTTP/1.1 {status} Fault\r\n{fields}\r\n{NUMBER}: {}\r\n\r\n{text}", number(head)).into_bytes()
}

/// The body of an answer, which a client can tell beforehand.
pub(crate) fn answer_text(id: &str, number: &str, method: &str, length: usize) -> String {
    format!("{id} {number} {method} {length}\n{}", "x".repeat(FILLING))
}

fn number(head: &Head) -> String {
    head.get(NUMBER).unwrap_or_else(|| "-".to_owned())
}

impl State {
    fn draw(&self) -> Answer {
        let mode = *self.mode.lock().unwrap();
        if self.random.lock().unwrap().u8(0..100) < mode.percent { mode.answer } else { Answer::Well }
    }
}
