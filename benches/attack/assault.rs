//! The attacker: opens an attack's connections, does on each what the attack says, and opens them again when closed.
//!
//! The connections come from 16 addresses of loopback, so that a limit per client address alone does not end it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::kinds::{Attack, Reads, Then};

const ADDRESSES: u32 = 16;
const CONNECT: Duration = Duration::from_secs(5);
/// After a connection could not be opened, so that a dead proxy does not make a busy loop.
const BACK_OFF: Duration = Duration::from_millis(50);
/// The lowest priority.
const NICE: i32 = 19;
/// Of a client that does not read: what the kernel takes for it is small.
const SMALL_BUFFER: u32 = 4096;

/// Runs until dropped, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Assault {
    pub(crate) force: Arc<Force>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// How strong it is: what the proxy lets it be.
#[derive(Debug, Default)]
pub(crate) struct Force {
    pub(crate) opened: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

impl Assault {
    pub(crate) fn start(attack: &Attack, target: SocketAddr) -> Result<Self> {
        let (force, stop) = (Arc::new(Force::default()), CancellationToken::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (attack, until) = (Arc::new(attack.clone()), stop.clone());
        let counters = Arc::clone(&force);
        let thread = thread::Builder::new().name("assault".into()).spawn(move || {
            let _ = setpriority_process(Some(gettid()), NICE); // of this thread; a failure only makes the run noisier
            runtime.block_on(async {
                for number in 0..attack.connections {
                    tokio::spawn(keep(Arc::clone(&attack), target, number, Arc::clone(&counters)));
                }
                until.cancelled().await;
            });
        })?;
        Ok(Self { force, stop, thread: Some(thread) })
    }
}

impl Drop for Assault {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic in it has been printed
        }
    }
}

/// One connection of the attack, again and again.
async fn keep(attack: Arc<Attack>, target: SocketAddr, number: u32, force: Arc<Force>) {
    loop {
        match timeout(CONNECT, connect(&attack, target, number)).await {
            Ok(Ok(stream)) => {
                force.opened.fetch_add(1, Ordering::Relaxed);
                let _ = live(&attack, stream, &force).await; // however it ends, the next one follows
            }
            _ => sleep(BACK_OFF).await,
        }
    }
}

/// Closed by a reset, so that no port is left waiting.
async fn connect(attack: &Attack, target: SocketAddr, number: u32) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if attack.reads == Reads::Never {
        socket.set_recv_buffer_size(SMALL_BUFFER)?;
    }
    let last = u8::try_from(2 + number % ADDRESSES).unwrap_or(2);
    socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
    let stream = socket.connect(target).await?;
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(stream)
}

async fn live(attack: &Attack, mut stream: TcpStream, force: &Force) -> io::Result<()> {
    let (mut read, mut write) = stream.split();
    write.write_all(&attack.opening).await?;
    force.bytes.fetch_add(attack.opening.len() as u64, Ordering::Relaxed);
    match attack.then {
        Then::Close => Ok(()),
        Then::CloseOnAnswer => read.read(&mut [0; 64]).await.map(drop),
        Then::Hold => listen(attack.reads, &mut read).await,
        Then::Repeat { burst, every } => tokio::select! {
            closed = listen(attack.reads, &mut read) => closed,
            failed = repeat(burst, every, &mut write, force) => failed,
        },
    }
}

/// Until the other side closes, or for ever.
async fn listen(reads: Reads, read: &mut ReadHalf<'_>) -> io::Result<()> {
    if reads == Reads::Never {
        return std::future::pending().await;
    }
    let mut piece = vec![0; 16 * 1024];
    while read.read(&mut piece).await? > 0 {}
    Ok(())
}

/// Until the other side has closed.
async fn repeat(
    burst: fn(u32) -> Vec<u8>,
    every: Duration,
    write: &mut WriteHalf<'_>,
    force: &Force,
) -> io::Result<()> {
    for number in 0.. {
        let bytes = burst(number);
        write.write_all(&bytes).await?;
        force.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if !every.is_zero() {
            sleep(every).await;
        }
    }
    Ok(())
}
