//! A mail server that keeps what it gets: one that may be away, busy, or speak TLS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

/// How long a client may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends when dropped.
pub(crate) struct Smtp {
    pub(crate) address: SocketAddr,
    /// Not listening yet.
    away: Option<Socket>,
    state: Arc<State>,
}

/// One mail as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mail {
    pub(crate) to: Vec<String>,
    /// What came with `AUTH`.
    pub(crate) login: String,
    pub(crate) text: String,
}

#[derive(Default)]
struct State {
    mails: Mutex<Vec<Mail>>,
    refused: Mutex<Vec<Mail>>,
    /// Mails that are answered with 451.
    busy: AtomicUsize,
    ended: AtomicBool,
    tls: Option<Arc<ServerConfig>>,
}

impl Smtp {
    pub(crate) fn start() -> Self {
        let mut smtp = Self::away();
        smtp.come();
        smtp
    }

    /// Has its address and refuses connections until it [comes](Self::come).
    pub(crate) fn away() -> Self {
        Self::with(State::default())
    }

    /// Speaks TLS from the first byte. Gives its certificate, as PEM, for `127.0.0.1`.
    pub(crate) fn start_with_tls() -> (Self, String) {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let mut smtp = Self::with(State { tls: Some(Arc::new(config)), ..State::default() });
        smtp.come();
        (smtp, made.cert.pem())
    }

    fn with(state: State) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        Self { address, away: Some(socket), state: Arc::new(state) }
    }

    pub(crate) fn come(&mut self) {
        let Some(socket) = self.away.take() else { return };
        socket.listen(16).unwrap();
        let (listener, state) = (TcpListener::from(socket), self.state.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                if state.ended.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), state) = (stream, state.clone()) else { continue };
                thread::spawn(move || {
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    // A client that breaks off is none of ours.
                    let _ = match &state.tls {
                        Some(tls) => {
                            let connection = ServerConnection::new(tls.clone()).unwrap();
                            talk(StreamOwned::new(connection, stream), &state)
                        }
                        None => talk(stream, &state),
                    };
                });
            }
        });
    }

    /// The next so many mails are not taken, for now.
    pub(crate) fn be_busy(&self, mails: usize) {
        self.state.busy.store(mails, Ordering::SeqCst);
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.state.mails.lock().unwrap().clone()
    }

    /// Those that were answered with 451.
    pub(crate) fn refused(&self) -> Vec<Mail> {
        self.state.refused.lock().unwrap().clone()
    }

    /// The table `[notify.mail]` for it.
    pub(crate) fn table(&self) -> String {
        let SocketAddr::V4(address) = self.address else { unreachable!() };
        format!(
            "[notify.mail]\nhost = \"{}\"\nport = {}\nfrom = \"coalmine@lb.test\"\nto = [\"ops@lb.test\"]\n",
            address.ip(),
            address.port()
        )
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Mail {
    pub(crate) fn header(&self, name: &str) -> String {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
        let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }
}

fn talk(stream: impl Read + Write, state: &State) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut mail = Mail::default();
    stream.get_mut().write_all(b"220 test\r\n")?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let answer = match word.to_ascii_uppercase().as_str() {
            "EHLO" => "250-test\r\n250 AUTH PLAIN\r\n",
            "AUTH" => {
                rest.clone_into(&mut mail.login);
                "235 welcome\r\n"
            }
            "RCPT" => {
                mail.to.push(rest.to_owned());
                "250 ok\r\n"
            }
            "DATA" => {
                stream.get_mut().write_all(b"354 go on\r\n")?;
                stream.get_mut().flush()?;
                mail.text = data(&mut stream)?;
                let busy = |left: usize| left.checked_sub(1);
                if state.busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, busy).is_ok() {
                    state.refused.lock().unwrap().push(std::mem::take(&mut mail));
                    "451 busy, come again\r\n"
                } else {
                    state.mails.lock().unwrap().push(std::mem::take(&mut mail));
                    "250 taken\r\n"
                }
            }
            "QUIT" => {
                stream.get_mut().write_all(b"221 bye\r\n")?;
                return stream.get_mut().flush();
            }
            _ => "250 ok\r\n",
        };
        stream.get_mut().write_all(answer.as_bytes())?;
        stream.get_mut().flush()?;
    }
}

/// Up to the line with a single dot.
fn data(stream: &mut impl BufRead) -> std::io::Result<String> {
    let mut text = String::new();
    while !text.ends_with("\r\n.\r\n") {
        if stream.read_line(&mut text)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(text)
}
