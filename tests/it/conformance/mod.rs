//! The rules of the protocols, held against clients and servers that nobody here wrote, through the running balancer.

mod curl;
mod grpc;
mod h2load;
mod h2spec;
mod nghttp;
mod openssl;

use std::net::SocketAddr;

use crate::support::Config;
use crate::support::certificates::Authority;
use crate::support::coalmine::Coalmine;

/// A balancer that listens on plain text and over TLS, by a certificate for `a.test` and 127.0.0.1.
struct Stage {
    authority: Authority,
    coalmine: Coalmine,
}

impl Stage {
    #[track_caller]
    fn start(config: Config) -> Self {
        Self::start_by(Authority::new(), config)
    }

    /// With a certificate of an authority that others know too. Returns when the program is ready.
    #[track_caller]
    fn start_by(authority: Authority, config: Config) -> Self {
        let own = authority.server(&["a.test", "127.0.0.1"]);
        let lines = format!("cert = \"{}\"\nkey = \"{}\"", own.cert.display(), own.key.display());
        let coalmine = config.listen("https = [\"127.0.0.1:0\"]").certificate(&lines).start();
        Self { authority, coalmine }
    }

    fn http(&self) -> SocketAddr {
        self.coalmine.http
    }

    fn https(&self) -> SocketAddr {
        self.coalmine.listeners("https")[0]
    }

    /// What both listeners answer to.
    fn urls(&self) -> [String; 2] {
        [format!("http://{}", self.http()), format!("https://{}", self.https())]
    }
}
