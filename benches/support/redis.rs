//! A Redis of our own, on a free port, that writes nothing to disk.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::process::{LOAD_CORE, Running, pinned};
use super::{port, tool};

#[derive(Debug)]
pub(crate) struct RedisServer {
    pub(crate) addr: SocketAddr,
    _child: Running,
}

impl RedisServer {
    pub(crate) fn start(dir: &Path) -> Result<Self> {
        let addr = port::free()?;
        let program = tool::find("redis-server").context("redis-server is not installed")?;
        let mut command = pinned(LOAD_CORE, program);
        command.args(["--bind", "127.0.0.1", "--port", &addr.port().to_string(), "--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(dir);
        let mut child = Running::start(command, &dir.join("redis.log"))?;
        child
            .wait_until(Duration::from_secs(10), Duration::from_millis(20), || answers(addr))
            .context("redis-server")?;
        Ok(Self { addr, _child: child })
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/0", self.addr)
    }
}

fn answers(addr: SocketAddr) -> bool {
    let ping = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG")
    };
    ping().unwrap_or(false)
}
