//! `coalmine alert` and `coalmine clear`.

use http::Method;
use serde_json::Value;

use super::client::path;
use super::table::plain;
use super::wish::{Recall, Wish};
use super::{Client, say};

pub(super) async fn raise(arguments: &Wish) -> anyhow::Result<()> {
    let Wish { service, reason, by, place } = arguments;
    let body = by.saying(reason.as_deref());
    let standing = Client::new(place)?.change(Method::PUT, &path(service, "/alert"), body).await?;
    Ok(say(&format!("{service}: no traffic for the canary; alerts stand of {}", owners(&standing)))?)
}

pub(super) async fn clear(arguments: &Recall) -> anyhow::Result<()> {
    let Recall { service, by, place } = arguments;
    let standing = Client::new(place)?.change(Method::DELETE, &path(service, "/alert"), by.saying(None)).await?;
    let left = match owners(&standing) {
        owners if owners.is_empty() => "no alert stands".to_owned(),
        owners => format!("alerts still stand of {owners}"),
    };
    Ok(say(&format!("{service}: {left}"))?)
}

/// The plain key has no owner.
fn owners(standing: &Value) -> String {
    let named = |owner: &String| if owner.is_empty() { "nobody in particular".to_owned() } else { plain(owner) };
    let owners: Vec<_> =
        standing["owners"].as_object().into_iter().flat_map(|owners| owners.keys()).map(named).collect();
    owners.join(", ")
}
