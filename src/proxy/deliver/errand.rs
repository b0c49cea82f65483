//! What is being delivered, and what of it can be repeated.

use http::header::HOST;
use http::{HeaderValue, Method, Request, StatusCode, Uri};

use super::super::choice::Pinned;
use super::super::exchange::Exchange;
use super::super::handler::Client;
use super::super::headers::{Origin, introduce};
use super::super::upgrade::Upgrade;
use super::super::upload::Upload;
use super::super::upstream::form;
use super::retry;
use super::spare::Spare;
use crate::model::ServiceName;
use crate::table::{Backend, Routed, RoutingTable, host_name};

/// One request on its way, until a backend has answered it.
///
/// Of a request that may be repeated, or that an HTTP/2 backend may refuse to look at, a spare is kept when it is sent:
/// the price of every resend and retry, and a fraction of what reading it from the wire costs; the body is shared and not
/// copied. All other requests are moved: what was sent of them is gone, unless it comes back unsent.
pub(in crate::proxy) struct Errand {
    /// What is sent next.
    request: Option<Request<Upload>>,
    /// What is sent next when that has been sent.
    spare: Option<Spare>,
    origin: Origin,
    /// What is sent next says already where it came from.
    introduced: bool,
    safe: bool,
    bodiless: bool,
    /// By its method.
    repeatable: bool,
    /// What the visitor's cookie had to do with the first choice.
    pub(super) pinned: Pinned,
    /// What it asks for besides, over a connection of its own. Most ask for nothing.
    pub(in crate::proxy) upgrade: Option<Box<Upgrade>>,
    /// Of the table that the backend was looked for in.
    pub(super) generation: u64,
    /// How often it went out, in whole or in part.
    written: u32,
    /// The one retry has been made.
    pub(in crate::proxy) retried: bool,
    /// The first backend ended the connection without a byte of an answer.
    pub(super) killed_one: bool,
    /// When the client gives up, on the clock of its pace.
    pub(in crate::proxy) deadline: Option<u64>,
}

impl Errand {
    /// `backend`: the one that is tried first. `pinned`: why it was chosen.
    pub(in crate::proxy) fn new(
        mut request: Request<Upload>,
        origin: Origin,
        backend: &Backend,
        generation: u64,
        pinned: Pinned,
    ) -> Self {
        let spec = &backend.terms.retry;
        let (safe, repeatable) = (retry::is_safe(request.method()), retry::may_repeat(request.method(), spec));
        let bodiless = !request.body().is_some();
        if (repeatable || backend.upstream.h2) && !bodiless {
            let upload = std::mem::replace(request.body_mut(), Upload::none());
            *request.body_mut() = upload.keep(spec.buffer);
        }
        Self {
            request: Some(request),
            spare: None,
            origin,
            introduced: false,
            safe,
            bodiless,
            repeatable,
            pinned,
            upgrade: None,
            generation,
            written: 0,
            retried: false,
            killed_one: false,
            deadline: None,
        }
    }

    pub(super) fn has_body(&self) -> bool {
        !self.bodiless
    }

    /// What goes to `backend`, on behalf of `client`. `None` when nothing is left that could.
    pub(super) fn take(&mut self, client: &Client, backend: &Backend) -> Option<Request<Upload>> {
        if self.request.is_none() {
            let spare = self.spare.take()?;
            self.introduced = spare.introduced;
            self.request = Some(spare.into_request());
        }
        let request = self.request.as_mut()?;
        if !self.origin.is_named() {
            // Each backend gets its own address as a host.
            request.headers_mut().insert(HOST, backend.authority.clone());
        }
        if self.spare.is_none() && (self.repeatable || backend.upstream.h2) {
            self.spare = Spare::of(request, self.introduced);
        }
        if !std::mem::replace(&mut self.introduced, true) {
            introduce(request.headers_mut(), &self.origin, &client.guest.sender, client.worker.via);
        }
        self.written += 1;
        self.request.take()
    }

    /// It came back: nothing of it went out.
    pub(super) fn put_back(&mut self, mut unsent: Request<Upload>) {
        form::http1(&mut unsent);
        self.request = Some(unsent);
        self.written -= 1;
    }

    /// It went out, but nobody has looked at it. It can be sent from its beginning if that is [at
    /// hand](Self::is_at_hand).
    pub(super) fn take_back(&mut self) {
        self.written -= 1;
    }

    pub(super) fn is_written(&self) -> bool {
        self.written > 0
    }

    /// Whether it can be sent from its beginning, whatever was sent before.
    pub(super) fn is_repeatable(&self) -> bool {
        self.repeatable && self.is_at_hand()
    }

    /// Whether it may go out again over another connection because a reused one ended without a byte.
    pub(super) fn is_resendable(&self) -> bool {
        self.safe && self.bodiless && self.is_at_hand()
    }

    pub(super) fn is_at_hand(&self) -> bool {
        let body = self.request.as_ref().map(Request::body).or_else(|| self.spare.as_ref().map(|spare| &spare.body));
        body.is_some_and(Upload::is_whole)
    }

    /// Whether the answer of the backend of `exchange` is a failure that is worth a retry, as long as there is one.
    pub(super) fn rejects(&self, exchange: &Exchange, status: StatusCode) -> bool {
        let backend = &exchange.backend;
        !self.retried && retry::is_rejected(status, backend.track, exchange.on_trial(), &backend.terms.retry)
    }

    /// The service that the request belongs to now.
    pub(super) fn service<'t>(&self, table: &'t RoutingTable) -> Option<&'t Routed> {
        let (_, uri, host) = self.head()?;
        let host = host.filter(|_| self.origin.is_named()).and_then(|host| host_name(host.to_str().ok()?));
        table.route(host.unwrap_or(""), uri.path())
    }

    /// By what a request that kills backends is known again.
    pub(super) fn deed<'a>(&'a self, backend: &'a Backend) -> Option<(&'a ServiceName, &'a Method, &'a str)> {
        let (method, uri, _) = self.head()?;
        Some((&backend.terms.service, method, uri.path()))
    }

    /// Method, target and `Host` of what can be sent next.
    fn head(&self) -> Option<(&Method, &Uri, Option<&HeaderValue>)> {
        let request = self.request.as_ref().map(|it| (it.method(), it.uri(), it.headers().get(HOST)));
        request.or_else(|| self.spare.as_ref().map(|it| (&it.method, &it.uri, it.host())))
    }
}
