//! `coalmine eject` and `coalmine readmit`.

use http::Method;

use super::client::path;
use super::wish::{Recall, Wish};
use super::{Client, say};

pub(super) async fn eject(arguments: &Wish) -> anyhow::Result<()> {
    let Wish { service, reason, by, place } = arguments;
    let body = by.saying(reason.as_deref());
    Client::new(place)?.change(Method::PUT, &path(service, "/ejection"), body).await?;
    Ok(say(&format!("{service}: the canary is out until `coalmine readmit {service}`"))?)
}

pub(super) async fn readmit(arguments: &Recall) -> anyhow::Result<()> {
    let Recall { service, by, place } = arguments;
    Client::new(place)?.change(Method::DELETE, &path(service, "/ejection"), by.saying(None)).await?;
    Ok(say(&format!("{service}: no operator keeps the canary out; `coalmine status {service}` says when it is back"))?)
}
