//! A network namespace for one process, on a link whose packets can be dropped or refused.
//!
//! The namespace has no name: it is the process's own, and the link lies in it, so both go when the process does.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::process::Process;

/// The interface in the namespace.
const THERE: &str = "fault0";

/// What becomes of packets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Filter {
    /// Nothing comes back.
    Drop,
    /// Every segment is answered with a reset.
    Reset,
}

/// A pair of virtual interfaces between here and a process's namespace.
pub(crate) struct Link {
    /// The one here.
    name: String,
    process: u32,
}

/// Why no link can be had on this machine; `None`: it can.
pub(crate) fn missing() -> Option<&'static str> {
    static MISSING: LazyLock<Option<String>> = LazyLock::new(|| try_once().err());
    MISSING.as_deref()
}

fn try_once() -> Result<(), String> {
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "cat"]);
    let mut there = Process::start(command);
    // It is apart once its namespace differs from ours.
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    for _ in 0..1000 {
        if there.has_ended() {
            return Err(format!("no network namespace: {}", there.wait().stderr.trim()));
        }
        if namespace(&there.pid().to_string()) != namespace("self") {
            let link = Link::try_to(there.pid())?;
            link.try_filter(Some(Filter::Reset))?;
            return link.try_filter(Some(Filter::Drop));
        }
        crate::support::for_a_while(std::time::Duration::from_millis(5));
    }
    Err("no network namespace in time".to_owned())
}

impl Link {
    /// The addresses of this end and of the other, from the network for benchmarks (RFC 2544), for this process.
    pub(crate) fn subnet() -> (Ipv4Addr, Ipv4Addr) {
        let first = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + (std::process::id() % (1 << 15)) * 4;
        (Ipv4Addr::from(first + 1), Ipv4Addr::from(first + 2))
    }

    pub(crate) fn to(process: u32) -> Self {
        Self::try_to(process).unwrap()
    }

    fn try_to(process: u32) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cf{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed) % 1000);
        let (here, there) = Self::subnet();
        let pid = process.to_string();
        let peer = ["type", "veth", "peer", "name", THERE, "netns", &pid];
        run("ip", &[&["link", "add", &name][..], &peer[..]].concat(), "")?;
        let link = Self { name, process };
        run("ip", &["addr", "add", &format!("{here}/30"), "dev", &link.name], "")?;
        run("ip", &["link", "set", &link.name, "up"], "")?;
        link.inside(&["ip", "addr", "add", &format!("{there}/30"), "dev", THERE], "")?;
        link.inside(&["ip", "link", "set", THERE, "up"], "")?;
        Ok(link)
    }

    pub(crate) fn filter(&self, filter: Option<Filter>) {
        self.try_filter(filter).unwrap();
    }

    fn try_filter(&self, filter: Option<Filter>) -> Result<(), String> {
        let rule = match filter {
            None => "accept",
            Some(Filter::Drop) => "drop",
            Some(Filter::Reset) => "meta l4proto tcp reject with tcp reset",
        };
        // Declared before it is deleted: deleting what is not there would be an error.
        let rules = format!(
            "table inet fault
delete table inet fault
table inet fault {{
  chain in {{
    type filter hook input priority 0
    {rule}
  }}
}}
"
        );
        self.inside(&["nft", "-f", "-"], &rules)
    }

    fn inside(&self, command: &[&str], input: &str) -> Result<(), String> {
        let pid = self.process.to_string();
        run("nsenter", &[&["--target", &pid, "--net", "--"][..], command].concat(), input)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Fails when the process has ended and taken it along.
        let _ = run("ip", &["link", "delete", &self.name], "");
    }
}

fn run(program: &str, arguments: &[&str], input: &str) -> Result<(), String> {
    use std::io::Write as _;
    let mut command = Command::new(program);
    // Administrators' programs, which the path of an ordinary user leaves out.
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(arguments).env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin"));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input has said no already.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{program} {}: {}", arguments.join(" "), said.trim())) }
}
