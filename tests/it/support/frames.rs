//! A backend of bare HTTP/2 frames, for what no well-behaved library sends.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const PREFACE: usize = 24;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200`, indexed.
const STATUS_200: u8 = 0x88;

/// Answers requests without a body with 200. The first `refused` requests with a body it does not look at: it sends a
/// GOAWAY that says so, and closes.
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

fn serve(mut stream: TcpStream, left: &AtomicUsize, answered: &AtomicUsize) -> io::Result<()> {
    stream.read_exact(&mut [0; PREFACE])?;
    write(&mut stream, SETTINGS, 0, 0, &[])?;
    loop {
        let (kind, flags, id) = read(&mut stream)?;
        match (kind, flags & END_STREAM != 0) {
            (HEADERS, false) if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() => {
                // The last stream that was looked at, and NO_ERROR.
                return write(&mut stream, GOAWAY, 0, 0, &[0; 8]);
            }
            (HEADERS, true) => write(&mut stream, HEADERS, END_HEADERS | END_STREAM, id, &[STATUS_200])?,
            (DATA, true) => {
                answered.fetch_add(1, Ordering::SeqCst);
                write(&mut stream, HEADERS, END_HEADERS | END_STREAM, id, &[STATUS_200])?;
            }
            _ => {}
        }
    }
}

/// Kind, flags and stream of the next frame.
fn read(stream: &mut TcpStream) -> io::Result<(u8, u8, u32)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    stream.read_exact(&mut vec![0; length as usize])?;
    Ok((head[3], head[4], u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]])))
}

fn write(stream: &mut TcpStream, kind: u8, flags: u8, id: u32, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(id.to_be_bytes());
    frame.extend(payload);
    stream.write_all(&frame)
}
