//! Which balancer is asked, and with what token.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, bail};
use http::uri::Authority;

use crate::model::Secret;

/// The port of an admin listener, unless the user says otherwise.
const PORT: u16 = 9900;

#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The balancer's admin listener
    #[arg(long, value_name = "URL", env = "COALMINE_ADMIN_URL", default_value = "http://127.0.0.1:9900")]
    pub(super) admin: Address,
    /// A file with the token of admin.token_file
    #[arg(long, value_name = "FILE", env = "COALMINE_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

impl Place {
    pub(super) fn token(&self) -> anyhow::Result<Option<Secret>> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("--token-file {}: name a file that you may read", path.display()))?;
        match text.trim() {
            "" => bail!("--token-file {}: it is empty; write the balancer's token into it", path.display()),
            token => Ok(Some(Secret::new(token.to_owned()))),
        }
    }
}

/// Where an admin listener is: `http://host:port`, of which only the host is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// In brackets when it is an IPv6 address.
    host: String,
    port: u16,
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = match text.split_once("://") {
            None => text,
            Some(("http", rest)) => rest,
            Some(_) => return Err("the admin listener speaks http; reach it through a tunnel when it is far"),
        };
        let wrong = "write http://host:port, such as http://127.0.0.1:9900";
        let authority: Authority = rest.strip_suffix('/').unwrap_or(rest).parse().map_err(|_| wrong)?;
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(wrong);
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => PORT,
            _ => authority.port_u16().ok_or(wrong)?,
        };
        Ok(Self { host: authority.host().to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_with_or_without_scheme_and_port() {
        for (text, address) in [
            ("http://127.0.0.1:9900", "127.0.0.1:9900"),
            ("http://lb1:99/", "lb1:99"),
            ("lb1", "lb1:9900"),
            ("[::1]:80", "[::1]:80"),
            ("http://[::1]", "[::1]:9900"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), address);
        }
        for wrong in ["", "http://", "https://lb1", "lb1:", "lb1:99999", "lb1/api", "me@lb1", "lb 1"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
