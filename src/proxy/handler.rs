//! One request, from its complete head to the answer.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, SET_COOKIE, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;

use super::access::Entry;
use super::choice::{self, Keepsake, Pinned, Visitor};
use super::deliver::{self, Answer, Errand};
use super::exchange::Exchange;
use super::guest::Guest;
use super::headers::{Found, X_SERVED_BY, agree, forward_request, forward_response, is_target, join_cookies, scan};
use super::pace::Pace;
use super::refusal::Refusal;
use super::reply::Reply;
use super::tunnel::{Slot, Tunnel};
use super::upgrade::Upgrade;
use super::upload::Upload;
use super::upstream::Connection;
use super::worker::Worker;
use crate::metrics::{Class, Failure};
use crate::table::{Backend, TrialSeat, host_name};

/// What the requests of one connection have in common; over HTTP/2 each has a pace of its own.
pub(super) struct Client {
    pub(super) worker: Arc<Worker>,
    pub(super) pace: Arc<Pace>,
    pub(super) guest: Arc<Guest>,
    /// What goes on after the answer, if it was an upgrade.
    pub(super) tunnel: Slot,
}

impl Client {
    pub(super) fn new(worker: Arc<Worker>, pace: Arc<Pace>, guest: Arc<Guest>) -> Arc<Self> {
        Arc::new(Self { worker, pace, guest, tunnel: Slot::default() })
    }
}

/// Answers one request. Never fails: whatever goes wrong becomes a response. Messages are changed in place: moving them
/// about is what would cost most here.
pub(super) async fn handle(client: Arc<Client>, request: Request<Incoming>) -> Result<Response<Reply>, Infallible> {
    let began = client.pace.request();
    let mut request = request.map(|body| Upload::new(body, &client.pace));
    let entry = client.worker.access.is_some().then(|| Box::new(entry(&client, &request)));
    let mut found = scan(request.headers());
    let chosen = Upgrade::asked(&mut request, &found).and_then(|upgrade| {
        check(&mut request, &mut found)?;
        Ok((upgrade, choose(&client, &mut request, found.host.as_ref())?))
    });
    let (upgrade, Chosen { backend, pinned, keepsake, generation, trial }) = match chosen {
        Ok(chosen) => chosen,
        Err(refusal) => return Ok(refuse(&client, refusal, entry, began)),
    };

    let mut exchange = Exchange::new(backend, client.worker.clone(), client.pace.clone(), began, trial, entry);
    let version = std::mem::replace(request.version_mut(), Version::HTTP_11);
    forward_request(request.headers_mut(), &found, version, &client.guest.sender, client.worker.via);
    if request.body().is_some() && !request.headers().contains_key(CONTENT_LENGTH) {
        // hyper takes a GET of unknown length for one without a body unless it is told.
        request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if upgrade.is_some() {
        client.tunnel.ask(true);
        Upgrade::renew(&mut request);
    }
    let mut errand = Errand::new(request, &exchange.backend.terms.retry, generation, found.host.is_some(), pinned);
    errand.upgrade = upgrade;
    let mut answer = Answer::default();
    let delivered = deliver::deliver(&client, &mut exchange, &mut errand, &mut answer).await;
    if errand.upgrade.is_some() {
        client.tunnel.ask(false);
    }

    let served_by = exchange.backend.served_by.clone();
    let cookie = keepsake.filter(|_| delivered.is_ok()).and_then(|it| it.of(&exchange.backend, errand.retried));
    let mut response = match (delivered, answer) {
        (Ok(()), Answer { response: Some(response), whole, connection: Some(connection) }) => {
            match errand.upgrade.take() {
                None => pass_on(&client, exchange, response, whole, connection),
                Some(upgrade) => answer_upgrade(&client, exchange, *upgrade, response, whole, connection),
            }
        }
        (delivered, _) => fail(exchange, delivered.err().unwrap_or(Refusal::NoBackend)),
    };
    if let Some(served_by) = served_by {
        response.headers_mut().insert(X_SERVED_BY, served_by);
    }
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The answer of a backend, on its way to the client.
#[inline]
fn pass_on(
    client: &Client,
    mut exchange: Exchange,
    mut response: Response<Incoming>,
    whole: Option<Bytes>,
    mut connection: Box<Connection>,
) -> Response<Reply> {
    client.pace.responded(exchange.backend.timeout.idle);
    let version = std::mem::replace(response.version_mut(), Version::HTTP_11);
    forward_response(response.headers_mut(), version, client.worker.via);
    if version == Version::HTTP_10 {
        // hyper would speak HTTP/1.0 on it from now on, which has no bodies of unknown length.
        connection.retire();
    }
    if client.pace.uploading() {
        connection.run_apart();
    }
    exchange.responding(response.status(), Some(connection));
    response.map(|body| match whole {
        Some(whole) => Reply::whole(whole, exchange),
        None => Reply::backend(body, exchange),
    })
}

/// The answer to a request for an upgrade.
fn answer_upgrade(
    client: &Client,
    mut exchange: Exchange,
    upgrade: Upgrade,
    mut response: Response<Incoming>,
    whole: Option<Bytes>,
    mut connection: Box<Connection>,
) -> Response<Reply> {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        if response.status().is_success() && upgrade.takes_success_for_tunnel() {
            exchange.judge(response.status());
            return fail(exchange, Refusal::NoUpgrade);
        }
        return pass_on(client, exchange, response, whole, connection);
    }
    let Some(backend) = connection.switched() else {
        exchange.fail(Failure::Malformed);
        return fail(exchange, Refusal::Backend(Failure::Malformed));
    };
    let version = std::mem::replace(response.version_mut(), Version::HTTP_11);
    forward_response(response.headers_mut(), version, client.worker.via);
    let stream = upgrade.grant(&mut response);
    exchange.tunnel(connection);
    client.tunnel.put(Tunnel::new(backend, exchange, stream));
    response.map(|_| Reply::none())
}

/// Refuses what has no one meaning, and turns an absolute-form target, or that of HTTP/2, into `Host` and origin-form
/// (RFC 9112, 3.2; RFC 9113, 8.3.1).
fn check(request: &mut Request<Upload>, found: &mut Found) -> Result<(), Refusal> {
    if *request.method() == Method::CONNECT {
        return Err(Refusal::Method);
    }
    if request.version() == Version::HTTP_2 {
        if !is_target(request.method(), request.uri()) {
            return Err(Refusal::Target);
        }
        if found.hosts > 1 || !agree(request.uri(), found) {
            return Err(Refusal::Host);
        }
        join_cookies(request.headers_mut());
    } else if found.hosts > 1 || (found.hosts == 0 && request.version() >= Version::HTTP_11) {
        return Err(Refusal::Host);
    }
    if let Some(authority) = request.uri().authority() {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::Host)?;
        let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from(path);
        request.headers_mut().insert(HOST, host.clone());
        found.host = Some(host);
    }
    Ok(())
}

/// Where a request goes, and why there.
struct Chosen {
    backend: Arc<Backend>,
    pinned: Pinned,
    /// Most have none.
    keepsake: Option<Box<Keepsake>>,
    /// Of the table that said so.
    generation: u64,
    /// The request decides whether the canary comes back.
    trial: Option<TrialSeat>,
}

fn choose(client: &Client, request: &mut Request<Upload>, host: Option<&HeaderValue>) -> Result<Chosen, Refusal> {
    let host = host.map_or(Ok(""), |host| host_of(host).ok_or(Refusal::Host))?;
    client.worker.table.read(|table| {
        let service = table.route(host, request.uri().path()).ok_or(Refusal::NoService)?;
        let generation = table.generation;
        let trusted = &client.worker.trusted_proxies;
        let visitor = Visitor { headers: request.headers(), peer: client.guest.address, trusted };
        let choice::Chosen { backend, pinned, told, cookie } =
            choice::choose(service, &visitor).ok_or(Refusal::NoBackend)?;
        if let Some(choice) = &service.choice {
            choice.hide_secret(request.headers_mut());
        }
        if let Some(trying) = &service.trying
            && let Some((backend, seat)) = deliver::claim(service, trying, request, told || pinned != Pinned::No)
        {
            return Ok(Chosen { backend, pinned, keepsake: None, generation, trial: Some(seat) });
        }
        let pins = service.choice.as_ref().and_then(|choice| choice.pins.as_ref());
        let keepsake = cookie.zip(pins).map(|(cookie, pins)| Box::new(Keepsake::new(cookie, pins, &backend)));
        Ok(Chosen { backend, pinned, keepsake, generation, trial: None })
    })
}

fn host_of(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().and_then(host_name)
}

/// The answer when there is none of a backend. What the backend did is counted already.
fn fail(mut exchange: Exchange, refusal: Refusal) -> Response<Reply> {
    let response = refusal.response();
    // Nobody reads the answer to a client that has gone; its exchange counts as canceled.
    if refusal != Refusal::ClientGone {
        exchange.responding(response.status(), None);
        exchange.complete();
    }
    response
}

/// The answer when no backend was chosen.
fn refuse(client: &Client, refusal: Refusal, entry: Option<Box<Entry>>, began: u64) -> Response<Reply> {
    let response = refusal.response();
    client.pace.finished();
    client.worker.metrics.unrouted(response.status()).inc();
    if let (Some(mut entry), Some(access)) = (entry, &client.worker.access) {
        entry.status = response.status().as_u16();
        let nanos = client.pace.now().saturating_sub(began);
        access.write(&entry, None, Class::from(response.status()), nanos);
    }
    response
}

fn entry(client: &Client, request: &Request<Upload>) -> Entry {
    let host = request.headers().get(HOST).map_or(Cow::Borrowed(""), |host| String::from_utf8_lossy(host.as_bytes()));
    Entry {
        client: client.guest.address,
        method: request.method().to_string(),
        host: request.uri().authority().map_or(host.as_ref(), |authority| authority.as_str()).to_owned(),
        path: request.uri().path().to_owned(),
        status: 0,
        bytes: 0,
    }
}
