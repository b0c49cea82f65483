//! `coalmine lease` and `coalmine release`.

use std::time::Duration;

use anyhow::Context;
use http::Method;
use serde_json::json;

use super::client::{path, segment};
use super::{By, Client, Place, say, time, written};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Lease {
    service: String,
    /// The one of stable that is to go down
    backend: String,
    /// It ends by itself after this time, 1s to 1h
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "60s")]
    ttl: Duration,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Release {
    service: String,
    /// As `coalmine lease` has printed it
    id: String,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    place: Place,
}

/// Prints the id alone, for scripts.
pub(super) async fn lease(arguments: &Lease) -> anyhow::Result<()> {
    let Lease { service, backend, ttl, by, place } = arguments;
    let body = json!({ "backend": backend, "ttl": written(*ttl), "by": by.by });
    let lease = Client::new(place)?.change(Method::POST, &path(service, "/lease"), body).await?;
    Ok(say(lease["id"].as_str().context("the balancer has given a lease without an id")?)?)
}

pub(super) async fn release(arguments: &Release) -> anyhow::Result<()> {
    let Release { service, id, by, place } = arguments;
    let path = path(service, &format!("/lease/{}", segment(id)));
    Client::new(place)?.change(Method::DELETE, &path, by.saying(None)).await?;
    Ok(say(&format!("{service}: the lease has ended"))?)
}
