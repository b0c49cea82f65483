//! A backend of HTTP/2 that leaves in the middle of a request, as no well-behaved library does.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::frames::{DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, SETTINGS};

/// `:status: 200`, indexed.
const STATUS_200: u8 = 0x88;

/// Answers requests with 200. The first `refused` requests with a body it does not look at: it sends a GOAWAY that says
/// so, and closes. Gives its address and the number of bodies that it took.
pub(crate) fn leaving(refused: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (address, answered) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let (left, count) = (Arc::new(AtomicUsize::new(refused)), answered.clone());
    // Ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (left, count) = (left.clone(), count.clone());
            thread::spawn(move || serve(stream, &left, &count));
        }
    });
    (address, answered)
}

fn serve(stream: TcpStream, left: &AtomicUsize, answered: &AtomicUsize) -> io::Result<()> {
    let mut frames = Frames::accept(stream)?;
    frames.send(SETTINGS, 0, 0, &[])?;
    while let Some(frame) = frames.next() {
        let ended = frame.flags & END_STREAM != 0;
        match frame.kind {
            HEADERS if !ended && take(left) => {
                // The last stream that was looked at, and NO_ERROR.
                return frames.send(GOAWAY, 0, 0, &[0; 8]);
            }
            HEADERS | DATA if ended => {
                answered.fetch_add(usize::from(frame.kind == DATA), Ordering::SeqCst);
                frames.send(HEADERS, END_HEADERS | END_STREAM, frame.stream, &[STATUS_200])?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether there was one left to take.
fn take(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
}
