//! What is practised, one after the other.

use std::fmt;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::ClientConfig;
use rustls::client::Resumption;
use tokio::task::JoinSet;

use crate::support::proxies::Doors;
use crate::support::tls;
use crate::visitor::Visitor;

/// One way to come to the front door.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lesson {
    http2: bool,
    tls: bool,
    connections: u32,
    /// Requests at a time on each connection.
    streams: u32,
    /// After so many requests a connection is closed and another one opened.
    stay: u32,
}

pub(crate) const LESSONS: [Lesson; 5] = [
    Lesson { http2: false, tls: false, connections: 48, streams: 1, stay: 400 },
    Lesson { http2: false, tls: true, connections: 24, streams: 1, stay: 50 },
    Lesson { http2: true, tls: false, connections: 6, streams: 12, stay: 2000 },
    Lesson { http2: true, tls: true, connections: 12, streams: 5, stay: 500 },
    Lesson { http2: true, tls: true, connections: 2, streams: 40, stay: 2000 },
];

impl Lesson {
    /// # Errors
    /// A request failed, or was not answered by 200.
    pub(crate) async fn give(self, doors: &Doors, requests: u32, cookies: bool) -> Result<()> {
        let address = match (self.tls, self.http2) {
            (true, _) => doors.tls,
            (false, true) => doors.h2c,
            (false, false) => doors.plain,
        };
        let each = requests.div_ceil(self.connections * self.streams);
        let mut places = JoinSet::new();
        for seed in 0..self.connections {
            let tls = self.tls.then(|| self.tls_client()).transpose()?;
            places.spawn(async move {
                let mut left = each;
                while left > 0 {
                    let now = left.min(self.stay.div_ceil(self.streams));
                    let visitor = Visitor::connect(address, self.http2, tls.clone()).await?;
                    visitor.stay(self.streams, now, u64::from(seed) << 32 | u64::from(left), cookies).await?;
                    left -= now;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = places.join_next().await {
            done?.with_context(|| self.to_string())?;
        }
        Ok(())
    }

    /// For one place at the door: who comes back there resumes the session of before.
    fn tls_client(self) -> Result<Arc<ClientConfig>> {
        let mut config = Arc::unwrap_or_clone(tls::client(Resumption::in_memory_sessions(1))?);
        if self.http2 {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }
        Ok(Arc::new(config))
    }
}

impl fmt::Display for Lesson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (version, tls) = (if self.http2 { "2" } else { "1.1" }, if self.tls { " over TLS" } else { "" });
        write!(f, "HTTP/{version}{tls}, {} connections of {}", self.connections, self.streams)
    }
}
