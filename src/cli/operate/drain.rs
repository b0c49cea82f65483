//! `coalmine drain` and `coalmine undrain`.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::client::{path, segment};
use super::{By, Client, Place, Refused, say, time, written};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Drain {
    service: String,
    /// As `coalmine status` names it
    backend: String,
    /// Visitors that are kept on it may still come
    #[arg(long)]
    keep_sessions: bool,
    /// Wait so long for it to become idle, at most 5m
    #[arg(long, value_name = "TIME", value_parser = time)]
    wait: Option<Duration>,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Undrain {
    service: String,
    /// As `coalmine status` names it
    backend: String,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn drain(arguments: &Drain) -> anyhow::Result<()> {
    let Drain { service, backend, keep_sessions, wait, by, place } = arguments;
    let patience = wait.unwrap_or_default();
    let query = format!("/backends/{}/drain?wait={}", segment(backend), written(patience));
    let body = json!({ "keep_sessions": keep_sessions, "by": by.by });
    let answer = Client::new(place)?.ask(Method::POST, &path(service, &query), Some(body), patience).await?;
    let state = state(&answer);
    if wait.is_some() && answer["idle"] != true {
        let not_idle = format!("{backend} of {service} is not idle after {patience:?}: {state}; the drain stays");
        return Err(Refused(not_idle).into());
    }
    let outcome = if answer["held"] == true {
        "gets new requests until another one is up, since nothing else of the service is"
    } else {
        "gets no new requests"
    };
    Ok(say(&format!("{service}: {backend} {outcome}: {state}"))?)
}

pub(super) async fn undrain(arguments: &Undrain) -> anyhow::Result<()> {
    let Undrain { service, backend, by, place } = arguments;
    let path = path(service, &format!("/backends/{}/undrain", segment(backend)));
    let answer = Client::new(place)?.change(Method::POST, &path, by.saying(None)).await?;
    let outcome = if answer["draining"] == true { "a lease keeps it drained" } else { "may get requests again" };
    Ok(say(&format!("{service}: {backend} {outcome}"))?)
}

fn state(answer: &Value) -> String {
    match answer["in_flight"].as_i64() {
        _ if answer["idle"] == true => "idle".to_owned(),
        Some(in_flight) => format!("{in_flight} requests in flight"),
        None => "it does not say what it works on".to_owned(),
    }
}
