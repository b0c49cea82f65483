//! A wire that can be cut in a way that neither end hears of.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::eventually::for_a_while;

/// Passes on what comes, both ways, for as long as it is not frozen. Takes no new connection after it was dropped.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    frozen: AtomicBool,
    ended: AtomicBool,
}

impl Relay {
    pub(crate) fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let relay = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let state = relay.state.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if state.ended.load(Ordering::SeqCst) {
                    return;
                }
                // A target that is away is a connection that ends at once.
                let Ok(server) = TcpStream::connect(target) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to, state) = (from.try_clone().unwrap(), to.try_clone().unwrap(), state.clone());
                    thread::spawn(move || state.pass_on(&from, &to));
                }
            }
        });
        relay
    }

    pub(crate) fn freeze(&self) {
        self.state.frozen.store(true, Ordering::SeqCst);
    }

    pub(crate) fn thaw(&self) {
        self.state.frozen.store(false, Ordering::SeqCst);
    }
}

impl State {
    /// Until either end is gone, or the relay.
    fn pass_on(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut bytes = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            while self.frozen.load(Ordering::SeqCst) && !self.ended.load(Ordering::SeqCst) {
                for_a_while(Duration::from_millis(5));
            }
            if to.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        // Both fail when that end is gone already.
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

#[test]
fn a_frozen_relay_keeps_what_it_was_given() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let relay = Relay::to(listener.local_addr().unwrap());
    let mut client = TcpStream::connect(relay.address).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    relay.freeze();
    client.write_all(b"hello").unwrap();
    server.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(server.read(&mut [0; 5]).is_err());
    relay.thaw();
    server.set_read_timeout(None).unwrap();
    let mut got = [0; 5];
    server.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello");
}
