//! An ejection while a connection to the canary is just being opened.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::support::client::request;
use crate::support::{Backend, Config, Service, eventually};

#[test]
fn requests_that_wait_for_a_connection_to_a_canary_go_to_stable_when_it_is_ejected() {
    let stable = Backend::start("stable");
    let canary = Gatekeeper::start();
    let service = Service::new("web")
        .track("stable", 0, &[stable.address])
        .track("canary", 1, &[canary.address])
        .probe("interval = \"1h\"")
        .table("timeout", "connect = \"20s\"");
    let coalmine = Config::new().service(service).start_admitted();

    let queue = canary.close();
    let (mut get, mut post) = (coalmine.connect(), coalmine.connect());
    get.send(request("GET", "/", &[]));
    post.send(request("POST", "/", &["Content-Length: 3"]) + "abc");
    eventually("the requests wait for their connections", || {
        coalmine.metric("coalmine_requests_in_flight", &[("track", "canary")]) == 2.0
    });
    coalmine.raise("web");
    coalmine.wait_ejected("web", "alert");
    assert_eq!(get.receive().text(), "stable");
    assert_eq!(post.receive().text(), "stable");
    drop(queue);
    let canary = canary.open();
    assert_eq!(canary.requests.load(SeqCst), 0);
    assert_eq!(stable.count(), 2);
}

/// A canary that answers probes, then keeps every new connection waiting, then takes them.
struct Gatekeeper {
    address: SocketAddr,
    listener: TcpListener,
    requests: Arc<AtomicUsize>,
    probe: JoinHandle<()>,
}

struct Open {
    requests: Arc<AtomicUsize>,
}

impl Gatekeeper {
    fn start() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let first = listener.try_clone().unwrap();
        let seen = requests.clone();
        let probe = std::thread::spawn(move || answer(first.accept().unwrap().0, &seen));
        Self { address, listener, requests, probe }
    }

    /// Fills the queue, so that the kernel drops every further attempt to connect.
    fn close(&self) -> Vec<TcpStream> {
        let connect = || TcpStream::connect_timeout(&self.address, Duration::from_millis(100)).ok();
        std::iter::from_fn(connect).take(16).collect()
    }

    fn open(self) -> Open {
        self.probe.join().unwrap();
        let (listener, requests) = (self.listener, self.requests.clone());
        // Ends with the test: accepting is all that it does.
        std::thread::spawn(move || {
            while let Ok((connection, _)) = listener.accept() {
                let seen = requests.clone();
                std::thread::spawn(move || answer(connection, &seen));
            }
        });
        Open { requests: self.requests }
    }
}

/// Answers one request, and counts it unless it is a probe.
fn answer(mut connection: TcpStream, requests: &AtomicUsize) {
    let mut head = [0; 4096];
    let Ok(bytes) = connection.read(&mut head) else { return };
    let head = String::from_utf8_lossy(&head[..bytes]).to_lowercase();
    if bytes > 0 && !head.contains("coalmine-probe") {
        requests.fetch_add(1, SeqCst);
    }
    // The other side may be gone.
    let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\ncanary");
}
