//! `coalmine eject` and `coalmine readmit`.

use http::Method;

use super::client::path;
use super::{By, Client, Place, say};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Eject {
    service: String,
    /// Why
    reason: Option<String>,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Readmit {
    service: String,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn eject(arguments: &Eject) -> anyhow::Result<()> {
    let Eject { service, reason, by, place } = arguments;
    let body = by.saying(reason.as_deref());
    Client::new(place)?.change(Method::PUT, &path(service, "/ejection"), body).await?;
    Ok(say(&format!("{service}: the canary is out until `coalmine readmit {service}`"))?)
}

pub(super) async fn readmit(arguments: &Readmit) -> anyhow::Result<()> {
    let Readmit { service, by, place } = arguments;
    Client::new(place)?.change(Method::DELETE, &path(service, "/ejection"), by.saying(None)).await?;
    Ok(say(&format!("{service}: no operator keeps the canary out; `coalmine status {service}` says when it is back"))?)
}
