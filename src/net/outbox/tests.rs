use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::net::stream::{Stream, Witness};

/// Far more than the socket buffers on the way hold.
const MUCH: usize = 24 * 1024 * 1024;

/// Counts what was taken; owes what the test says.
#[derive(Default)]
struct Count {
    written: AtomicUsize,
    owes: bool,
}

impl Witness for Arc<Count> {
    fn read(&self, _bytes: usize) {}

    fn written(&self, bytes: usize) {
        self.written.fetch_add(bytes, Relaxed);
    }

    fn owes(&self) -> bool {
        self.owes
    }
}

/// A stream, its outbox, and the other end of the connection. The outbox does not run yet.
async fn pair(owes: bool) -> (Stream<Arc<Count>>, Arc<Outbox>, TcpStream, Arc<Count>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (tcp, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let (outbox, count) = (Arc::new(Outbox::default()), Arc::new(Count { owes, ..Count::default() }));
    let stream = Stream::new(tcp.unwrap(), count.clone(), outbox.clone());
    (stream, outbox, accepted.unwrap().0, count)
}

async fn within<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("it ends in time")
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

/// Writes until the socket takes no more; gives what it took.
async fn fill(stream: &mut Stream<Arc<Count>>) -> Vec<u8> {
    let (bytes, mut taken) = (pattern(MUCH), 0);
    let short = Duration::from_millis(100);
    while let Ok(written) = tokio::time::timeout(short, stream.write(&bytes[taken..])).await {
        taken += written.unwrap();
    }
    assert!(taken < MUCH);
    bytes[..taken].to_vec()
}

#[tokio::test]
async fn small_writes_go_out_in_their_order_after_the_ready_tasks_have_run() {
    let (mut stream, outbox, peer, count) = pair(false).await;
    tokio::spawn(outbox.run());
    tokio::task::yield_now().await;
    // What the system has, not what the runtime knows of it.
    let peer = Arc::new(peer.into_std().unwrap());
    let ready: Vec<_> = (0..20).map(|_| tokio::spawn(sees_nothing(peer.clone()))).collect();
    for word in ["one ", "two ", "three"] {
        stream.write_all(word.as_bytes()).await.unwrap();
    }
    stream.flush().await.unwrap();
    assert_eq!(count.written.load(Relaxed), 13);
    let more = tokio::spawn(async move {
        stream.write_all(b" four").await.unwrap();
        stream
    });
    for task in ready {
        assert!(task.await.unwrap(), "it went out before a task that was ready");
    }
    let _stream = more.await.unwrap();
    let mut peer = TcpStream::from_std(Arc::into_inner(peer).expect("the tasks have ended")).unwrap();
    let mut received = [0; 18];
    within(peer.read_exact(&mut received)).await.unwrap();
    assert_eq!(&received, b"one two three four");
}

async fn sees_nothing(peer: Arc<std::net::TcpStream>) -> bool {
    peer.peek(&mut [0]).is_err()
}

#[tokio::test]
async fn what_was_written_before_the_outbox_runs_is_not_forgotten() {
    let (mut stream, outbox, mut peer, _) = pair(false).await;
    stream.write_all(b"early").await.unwrap();
    tokio::spawn(outbox.run());
    let mut received = [0; 5];
    within(peer.read_exact(&mut received)).await.unwrap();
    assert_eq!(&received, b"early");
}

#[tokio::test]
async fn a_large_write_follows_the_small_ones_before_it() {
    let (mut stream, outbox, mut peer, _) = pair(false).await;
    tokio::spawn(outbox.run());
    let expected = pattern(3 * LIMIT + 1000);
    let (small, rest) = expected.split_at(700);
    let (large, last) = rest.split_at(3 * LIMIT);
    for piece in [&small[..100], &small[100..], large, last] {
        stream.write_all(piece).await.unwrap();
    }
    let mut received = vec![0; expected.len()];
    within(peer.read_exact(&mut received)).await.unwrap();
    assert!(received == expected);
}

#[tokio::test]
async fn nothing_is_lost_or_moved_when_the_peer_reads_slowly() {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut stream, outbox, mut peer, count) = pair(false).await;
    tokio::spawn(outbox.run());
    let expected = pattern(MUCH);
    let bytes = expected.clone();
    let writer = tokio::spawn(async move {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            // Mostly small, sometimes far above the limit.
            let most = if random.u8(..) < 200 { 2 * 1024 } else { 6 * LIMIT };
            let (piece, after) = rest.split_at(random.usize(1..=most).min(rest.len()));
            stream.write_all(piece).await.unwrap();
            if random.bool() {
                stream.flush().await.unwrap();
            }
            rest = after;
        }
        stream.shutdown().await.unwrap();
    });
    // Everything stands still before the first byte is read.
    let mut before = 0;
    while before == 0 || before != count.written.load(Relaxed) {
        before = count.written.load(Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(before < MUCH, "the socket never filled up");
    let mut received = Vec::new();
    within(peer.read_to_end(&mut received)).await.unwrap();
    within(writer).await.unwrap();
    assert!(received == expected);
}

#[tokio::test]
async fn a_flush_waits_for_a_socket_that_was_full() {
    let (mut stream, outbox, mut peer, _) = pair(false).await;
    tokio::spawn(outbox.run());
    let mut expected = fill(&mut stream).await;
    stream.write_all(b"end").await.unwrap();
    expected.extend_from_slice(b"end");
    tokio::task::yield_now().await;
    let short = Duration::from_millis(50);
    assert!(tokio::time::timeout(short, stream.flush()).await.is_err(), "a full socket took more");
    let mut received = vec![0; expected.len()];
    let (flushed, read) = within(async { tokio::join!(stream.flush(), peer.read_exact(&mut received)) }).await;
    flushed.unwrap();
    read.unwrap();
    assert!(received == expected);
}

#[tokio::test]
async fn a_shutdown_sends_what_was_put_off_first() {
    let (mut stream, _outbox, mut peer, _) = pair(false).await;
    stream.write_all(b"last words").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut received = Vec::new();
    within(peer.read_to_end(&mut received)).await.unwrap();
    assert_eq!(received, b"last words");
}

#[tokio::test]
async fn what_was_put_off_goes_out_when_the_stream_is_dropped() {
    let (mut stream, outbox, mut peer, _) = pair(false).await;
    tokio::spawn(outbox.run());
    stream.write_all(b"last words").await.unwrap();
    drop(stream);
    let mut received = Vec::new();
    within(peer.read_to_end(&mut received)).await.unwrap();
    assert_eq!(received, b"last words");
}

#[tokio::test]
async fn a_stream_that_owes_something_is_reset_and_keeps_the_rest_to_itself() {
    let (mut stream, outbox, mut peer, _) = pair(true).await;
    tokio::spawn(outbox.run());
    stream.write_all(b"half").await.unwrap();
    drop(stream);
    let mut received = Vec::new();
    let ended = within(peer.read_to_end(&mut received)).await;
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(received, b"");
}

#[tokio::test]
async fn a_stream_dropped_with_a_part_unsent_is_reset_whether_it_was_put_off_or_not() {
    for last in [&[][..], b"put off"] {
        let (mut stream, outbox, mut peer, _) = pair(false).await;
        tokio::spawn(outbox.run());
        fill(&mut stream).await;
        if !last.is_empty() {
            stream.write_all(last).await.unwrap();
            tokio::task::yield_now().await;
        }
        drop(stream);
        let ended = within(peer.read_to_end(&mut Vec::new())).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn a_broken_peer_is_an_error_to_the_writer() {
    let (mut stream, outbox, peer, _) = pair(false).await;
    tokio::spawn(outbox.run());
    peer.set_zero_linger().unwrap();
    drop(peer);
    let ended = within(async {
        loop {
            stream.write_all(b"anybody?").await?;
            tokio::task::yield_now().await;
            stream.flush().await?;
        }
    });
    let ended: io::Result<()> = ended.await;
    assert!(matches!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe));
}

#[tokio::test]
async fn a_peer_that_breaks_while_the_socket_is_full_wakes_the_writer() {
    let (mut stream, outbox, peer, _) = pair(false).await;
    tokio::spawn(outbox.run());
    fill(&mut stream).await;
    stream.write_all(b"put off").await.unwrap();
    let writer = tokio::spawn(async move {
        tokio::task::yield_now().await;
        stream.flush().await
    });
    tokio::task::yield_now().await;
    peer.set_zero_linger().unwrap();
    drop(peer);
    assert!(within(writer).await.unwrap().is_err());
}
