//! What the program does under systemd, without systemd: its notifications, and sockets that it is started with.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tempfile::TempDir;

use crate::support::agent::Host;
use crate::support::client::request;
use crate::support::coalmine::{Coalmine, spawn};
use crate::support::{Backend, Config, Connection, Lineage, Redis, eventually};

/// The service manager's end of the notifications.
struct Manager {
    socket: UnixDatagram,
    directory: TempDir,
    heard: Vec<String>,
    stored: Vec<(String, OwnedFd)>,
}

impl Manager {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, directory, heard: Vec::new(), stored: Vec::new() }
    }

    fn path(&self) -> String {
        self.directory.path().join("notify").display().to_string()
    }

    /// Everything that was said so far, each notification with its lines joined by blanks.
    fn heard(&mut self) -> &[String] {
        loop {
            let mut bytes = [0; 4096];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let Ok(message) = recvmsg(&self.socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) else { break };
            let text =
                String::from_utf8_lossy(&bytes[..message.bytes]).split_whitespace().collect::<Vec<_>>().join(" ");
            let name = text.split(' ').find_map(|word| word.strip_prefix("FDNAME=")).unwrap_or_default().to_owned();
            for part in control.drain() {
                if let RecvAncillaryMessage::ScmRights(sockets) = part {
                    self.stored.extend(sockets.map(|socket| (name.clone(), socket)));
                }
            }
            self.heard.push(text);
        }
        &self.heard
    }

    #[track_caller]
    fn await_word(&mut self, word: &str) {
        eventually(&format!("systemd hears {word}"), || self.heard().iter().any(|text| text.starts_with(word)));
    }

    /// Until somebody reads, every further notification has to wait.
    fn fill(&self) {
        let sender = UnixDatagram::unbound().unwrap();
        sender.set_nonblocking(true).unwrap();
        while sender.send_to(b"X=1", self.path()).is_ok() {}
    }

    fn forget(&mut self) {
        self.heard();
        self.heard.clear();
    }
}

fn config(backend: &Backend) -> Config {
    Config::of(&[backend], &[]).listen("workers = 1")
}

#[test]
fn systemd_is_told_of_each_step_of_a_life() {
    let backend = Backend::start("a");
    let mut manager = Manager::start();
    let path = manager.path();
    let variables = [("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", "300000")];
    let mut coalmine = Coalmine::start_under_systemd(&config(&backend), &variables, None);
    manager.await_word("READY=1");
    assert!(coalmine.is_ready());
    manager.await_word("WATCHDOG=1");

    manager.forget();
    coalmine.process.signal("HUP");
    manager.await_word("RELOADING=1 MONOTONIC_USEC=");
    manager.await_word("READY=1");

    manager.forget();
    let lineage = Lineage::of(&coalmine);
    let successor = lineage.upgrade();
    manager.await_word(&format!("MAINPID={successor}"));
    manager.await_word("READY=1");
    // Notifications wait for who does not read them.
    eventually("the old process ends", || !manager.heard().is_empty() && coalmine.process.has_ended());

    manager.forget();
    manager.await_word("WATCHDOG=1");
    assert!(!manager.heard().iter().any(|text| text == "STOPPING=1"));
    crate::support::lineage::signal("TERM", successor);
    manager.await_word("STOPPING=1");
}

#[test]
fn the_agent_of_a_host_tells_systemd_as_well() {
    let rule = "name = \"cpu\"\nmetric = \"cpu\"\nabove = 45\nservice = \"web\"";
    let host = Host::new(&Redis::stopped(), &[rule]);
    let mut manager = Manager::start();
    let path = manager.path();
    let variables = [("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", "300000")];
    let agent = spawn(&["monitor", "-c", &host.configuration()], &variables);
    manager.await_word("READY=1");
    manager.await_word("WATCHDOG=1");
    agent.signal("TERM");
    manager.await_word("STOPPING=1");
}

#[test]
fn a_systemd_that_does_not_listen_holds_nothing_up() {
    let backend = Backend::start("a");
    let mut manager = Manager::start();
    let path = manager.path();
    let mut coalmine = Coalmine::start_under_systemd(&config(&backend), &[("NOTIFY_SOCKET", path.as_str())], None);
    manager.await_word("READY=1");
    manager.fill();
    assert_eq!(coalmine.ask("POST", "/api/v1/reload").status(), 200);
    assert_eq!(coalmine.get("/").text(), "a");
    coalmine.process.signal("TERM");
    assert_eq!(coalmine.process.wait_code(), Some(0));
}

#[test]
fn a_socket_of_a_unit_is_served_by_its_name() {
    let backend = Backend::start("a");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut early = Connection::open(address);
    early.send(request("GET", "/", &[]));
    let config = Config::of(&[&backend], &[]).listen("workers = 3").listen(&format!("http = [\"{address}\"]"));
    let coalmine = Coalmine::start_under_systemd(&config, &[], Some(("http", socket)));
    assert_eq!(early.receive().text(), "a", "who came before the program is served");
    assert_eq!(coalmine.listeners("http"), [address]);
    assert_eq!(coalmine.get("/").text(), "a");
}

#[test]
fn a_socket_of_a_unit_without_a_known_name_is_served_by_its_address() {
    let backend = Backend::start("a");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let config = config(&backend).admin(&format!("listen = \"{address}\""));
    let coalmine = Coalmine::start_under_systemd(&config, &[], Some(("coalmine.socket", socket)));
    assert_eq!(coalmine.admin, address);
    coalmine.wait_ready();
}

#[test]
fn a_stored_socket_outlives_the_process_and_refuses_nobody() {
    let backend = Backend::start("a");
    let mut manager = Manager::start();
    let path = manager.path();
    let variables = [("NOTIFY_SOCKET", path.as_str())];
    let mut coalmine = Coalmine::start_under_systemd(&config(&backend), &variables, None);
    manager.await_word("READY=1");
    let address = coalmine.http;
    let names: Vec<_> = manager.stored.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["stored-http", "stored-admin"]);
    let (name, socket) = manager.stored.swap_remove(0);

    coalmine.process.kill();
    let mut between = Connection::open(address);
    between.send(request("GET", "/", &[]));
    let config = config(&backend).listen(&format!("http = [\"{address}\"]"));
    let again = Coalmine::start_under_systemd(&config, &[], Some((&name, TcpListener::from(socket))));
    assert_eq!(between.receive().text(), "a");
    assert_eq!(again.http, address);
}

#[test]
fn a_stored_socket_that_is_not_configured_is_served_once_more_and_closed() {
    let backend = Backend::start("a");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut waiting = Connection::open(address);
    waiting.send(request("GET", "/", &[]));
    let config = config(&backend).listen("http = [\"127.0.0.2:0\"]");
    let coalmine = Coalmine::start_under_systemd(&config, &[], Some(("stored-http", socket)));
    assert_eq!(waiting.receive().text(), "a");
    assert_ne!(coalmine.http, address);
    eventually("nobody new gets in", || Connection::try_open(address).is_err());
}
