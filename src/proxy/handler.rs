//! One request, from its complete head to the answer.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use super::access::Entry;
use super::check;
use super::choice::{self, Keepsake, Pinned, Visitor};
use super::deliver::{self, Answer, Errand};
use super::exchange::Exchange;
use super::grpc;
use super::guest::Guest;
use super::headers::{X_SERVED_BY, forward_request, scan};
use super::pace::Pace;
use super::redirect;
use super::refusal::Refusal;
use super::reply::Reply;
use super::tunnel::{Slot, Tunnel};
use super::turn::Turn;
use super::upgrade::Upgrade;
use super::upload::Upload;
use super::upstream::Owner;
use super::worker::Worker;
use crate::metrics::{Class, Failure};
use crate::net::introduction::introduction;
use crate::table::{Backend, Intake, TrialSeat, host_name};

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

    /// What `backend` is told of this client, and so what makes its connections this client's alone.
    pub(super) fn owner(&self, backend: &Backend) -> Owner {
        introduction(backend.upstream.proxy_protocol, Some(self.guest.ends)).map(Vec::into_boxed_slice)
    }
}

/// Answers one request. Never fails: whatever goes wrong becomes a response. Messages are changed in place: moving them
/// about is what would cost most here.
pub(super) async fn handle(client: Arc<Client>, request: Request<Incoming>) -> Result<Response<Reply>, Infallible> {
    let began = client.pace.request();
    let mut request = request.map(|body| Upload::new(body, &client.pace));
    let entry = client.worker.access.is_some().then(|| Box::new(entry(&client, &request)));
    let mut found = scan(request.headers());
    // A refusal of gRPC is a success of HTTP, which would be taken for a tunnel by who asks for one.
    found.grpc &= request.version() == Version::HTTP_2 && *request.method() != Method::CONNECT;
    let timeout = if found.grpc { grpc::timeout(request.headers()) } else { None };
    let checked = Upgrade::asked(&mut request, &found)
        .and_then(|upgrade| check::head(&client.worker.limits, &mut request, &mut found).map(|()| upgrade));
    // Nor is this an answer to who asks for a tunnel.
    if let (Ok(None), Some(challenges)) = (&checked, &client.worker.challenges)
        && let Some(text) = challenges.answer(request.uri().path())
    {
        leave_unread(&client, &request);
        return Ok(answer(&client, StatusCode::OK, Response::new(Reply::text(text)), entry, began));
    }
    if let (Ok(_), Some(port)) = (&checked, client.worker.redirect)
        && let Some(away) = redirect::to_tls(port, request.uri(), request.headers(), &found, &client.guest.sender)
    {
        leave_unread(&client, &request);
        return Ok(match away {
            Ok(away) => answer(&client, away.status(), away, entry, began),
            Err(refusal) => refuse(&client, refusal, found.grpc, entry, began),
        });
    }
    let chosen = checked.and_then(|upgrade| {
        let turn = Turn::take(&client.worker).ok_or(Refusal::Overload)?;
        Ok((upgrade, turn, choose(&client, &mut request, found.host.as_ref())?))
    });
    let (upgrade, turn, Chosen { backend, pinned, keepsake, generation, trial }) = match chosen {
        Ok(chosen) => chosen,
        Err(refusal) => {
            leave_unread(&client, &request);
            return Ok(refuse(&client, refusal, found.grpc, entry, began));
        }
    };

    let mut exchange = Exchange::new(backend, turn, client.pace.clone(), began, trial, entry);
    let version = std::mem::replace(request.version_mut(), Version::HTTP_11);
    let origin = forward_request(request.headers_mut(), &mut found, version, &client.guest.sender);
    if request.body().is_some() && !request.headers().contains_key(CONTENT_LENGTH) {
        // hyper takes a GET of unknown length for one without a body unless it is told.
        request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if upgrade.is_some() {
        client.tunnel.ask(true);
        Upgrade::renew(&mut request);
    }
    let mut errand = Errand::new(request, origin, &exchange.backend, generation, pinned);
    errand.upgrade = upgrade;
    if found.grpc {
        errand.deadline = timeout.map(|timeout| client.pace.after(began, timeout));
    }
    let mut answer = Answer::default();
    let delivered = deliver::deliver(&client, &mut exchange, &mut errand, &mut answer).await;
    if errand.upgrade.is_some() {
        client.tunnel.ask(false);
    }

    let served_by = exchange.backend.served_by.clone();
    let cookie = keepsake.filter(|_| delivered.is_ok()).and_then(|it| it.of(&exchange.backend, errand.retried));
    let mut response = match (delivered, errand.upgrade.take()) {
        (Ok(()), None) => pass_on(&client, exchange, &mut answer, found.grpc),
        (Ok(()), Some(upgrade)) => answer_upgrade(&client, exchange, *upgrade, &mut answer),
        (Err(refusal), _) => fail(&client, exchange, refusal, found.grpc),
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
fn pass_on(client: &Client, mut exchange: Exchange, answer: &mut Answer, grpc: bool) -> Response<Reply> {
    let Some(mut connection) = answer.connection.take() else {
        return fail(client, exchange, Refusal::NoBackend, grpc);
    };
    let Some(mut response) = answer.response.take() else { return fail(client, exchange, Refusal::NoBackend, grpc) };
    client.pace.responded(exchange.backend.timeout.idle);
    let version = std::mem::replace(response.version_mut(), Version::HTTP_11);
    if version == Version::HTTP_10 {
        // hyper would speak HTTP/1.0 on it from now on, which has no bodies of unknown length.
        connection.retire();
    }
    if client.pace.uploading() {
        connection.run_apart();
    }
    if grpc {
        exchange.responding_to_grpc(&response, connection);
    } else {
        exchange.responding(response.status(), Some(connection));
    }
    response.map(|body| match answer.whole.take() {
        Some(whole) => Reply::whole(whole, exchange),
        None => Reply::backend(body, exchange),
    })
}

/// The answer to a request for an upgrade.
fn answer_upgrade(client: &Client, mut exchange: Exchange, upgrade: Upgrade, answer: &mut Answer) -> Response<Reply> {
    let Some(status) = answer.response.as_ref().map(Response::status) else {
        return fail(client, exchange, Refusal::NoBackend, false);
    };
    if status != StatusCode::SWITCHING_PROTOCOLS {
        if status.is_success() && upgrade.takes_success_for_tunnel() {
            exchange.judge(status);
            return fail(client, exchange, Refusal::NoUpgrade, false);
        }
        return pass_on(client, exchange, answer, false);
    }
    let Answer { response: Some(mut response), connection: Some(mut connection), .. } = std::mem::take(answer) else {
        return fail(client, exchange, Refusal::NoBackend, false);
    };
    let Some(backend) = connection.switched() else {
        exchange.fail(Failure::Malformed);
        return fail(client, exchange, Refusal::Backend(Failure::Malformed), false);
    };
    *response.version_mut() = Version::HTTP_11;
    let stream = upgrade.grant(&mut response);
    exchange.tunnel(connection);
    client.tunnel.put(Tunnel::new(backend, exchange, stream));
    response.map(|_| Reply::empty())
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
    let trusted = &client.worker.trusted_proxies;
    let (peer, headers) = (client.guest.address, request.headers());
    let address = || Visitor { headers, peer, trusted }.address();
    client.worker.crowd.take(address).map_err(|wait| Refusal::ClientRate(seconds(wait)))?;
    client.worker.table.read(|table| {
        let path = request.uri().path();
        let service = table.route(host, path).ok_or(Refusal::NoService)?;
        if !table.is_unambiguous(host, path) {
            return Err(Refusal::Path);
        }
        if let Some(intake) = &service.intake {
            take_in(intake, request)?;
        }
        let generation = table.generation;
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

/// Whether the service takes the request, which no backend has seen yet.
fn take_in(intake: &Intake, request: &mut Request<Upload>) -> Result<(), Refusal> {
    if let Some(rate) = &intake.rate {
        rate.take().map_err(|wait| Refusal::ServiceRate(seconds(wait)))?;
    }
    match intake.body {
        Some(limit) if !request.body_mut().limit(limit) => Err(Refusal::Body),
        _ => Ok(()),
    }
}

/// Whole seconds, as `Retry-After` has them: one that is too early is refused again.
fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

fn host_of(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().and_then(host_name)
}

/// The request is answered without its body, if it has one.
fn leave_unread(client: &Client, request: &Request<Upload>) {
    if request.body().is_some() {
        client.pace.leave_unread();
    }
}

/// The answer when there is none of a backend. What the backend did is counted already.
fn fail(client: &Client, mut exchange: Exchange, refusal: Refusal, grpc: bool) -> Response<Reply> {
    note(client, refusal);
    if client.pace.uploading() {
        client.pace.leave_unread();
    }
    // Nobody reads the answer to a client that has gone; its exchange counts as canceled.
    if refusal != Refusal::ClientGone {
        exchange.responding(refusal.status(), None);
        exchange.complete();
    }
    refusal.response(grpc)
}

/// The answer when no backend was chosen.
fn refuse(client: &Client, refusal: Refusal, grpc: bool, entry: Option<Box<Entry>>, began: u64) -> Response<Reply> {
    note(client, refusal);
    answer(client, refusal.status(), refusal.response(grpc), entry, began)
}

/// Passes on an answer of the balancer's own, which counts as one with `status`.
fn answer(
    client: &Client,
    status: StatusCode,
    response: Response<Reply>,
    entry: Option<Box<Entry>>,
    began: u64,
) -> Response<Reply> {
    client.pace.finished();
    client.worker.metrics.unrouted(status).inc();
    if let (Some(mut entry), Some(access)) = (entry, &client.worker.access) {
        entry.status = status.as_u16();
        let nanos = client.pace.now().saturating_sub(began);
        access.write(&entry, None, Class::from(status), nanos);
    }
    response
}

/// Counts a limit that fired.
fn note(client: &Client, refusal: Refusal) {
    if let Some(limit) = refusal.limit() {
        client.worker.metrics.refused.count(limit);
    }
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
