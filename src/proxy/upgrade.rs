//! A request that asks for more than an answer: that the connection, or the stream, become a WebSocket.
//!
//! Over HTTP/1.1 that is a GET with `Upgrade` (RFC 9110, 7.8; RFC 6455, 4.1), over HTTP/2 a CONNECT that names the
//! protocol (RFC 8441). Backends are asked over HTTP/1.1 in either case.

use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;

use super::headers::{Found, asks_for_websocket, drop_reply, grants_websocket, put_key, renew_upgrade, replies};
use super::refusal::Refusal;
use super::upload::Upload;

/// What a client has asked for.
pub(super) struct Upgrade {
    /// `None` over HTTP/1.1, where the connection itself is what is upgraded.
    stream: Option<Stream>,
}

struct Stream {
    /// To the key that the backend was sent.
    reply: HeaderValue,
    io: OnUpgrade,
}

impl Upgrade {
    /// Whether `request` asks for one. A CONNECT that does becomes the GET that it stands for. Only a GET without a
    /// body is an upgrade; every other field `Upgrade` is taken off as any hop-by-hop field.
    ///
    /// # Errors
    /// A protocol that is not passed on.
    pub(super) fn asked(request: &mut Request<Upload>, found: &Found) -> Result<Option<Box<Self>>, Refusal> {
        let method = request.method();
        if found.upgrade && *method == Method::GET && request.version() == Version::HTTP_11 {
            let asks = !request.body().is_some() && asks_for_websocket(request.headers());
            return Ok(asks.then(|| Box::new(Self { stream: None })));
        }
        if *method != Method::CONNECT {
            return Ok(None);
        }
        match request.extensions().get::<Protocol>().map(Protocol::as_str) {
            None => Ok(None),
            Some("websocket") => {
                *request.method_mut() = Method::GET;
                let reply = put_key(request.headers_mut());
                Ok(Some(Box::new(Self { stream: Some(Stream { reply, io: hyper::upgrade::on(request) }) })))
            }
            Some(_) => Err(Refusal::Protocol),
        }
    }

    /// Asks the backend for the same. `request` has no hop-by-hop fields.
    pub(super) fn renew(request: &mut Request<Upload>) {
        renew_upgrade(request.headers_mut());
    }

    /// Whether the answer is the upgrade that was asked for.
    pub(super) fn is_granted<B>(&self, response: &Response<B>) -> bool {
        let headers = response.headers();
        grants_websocket(headers) && self.stream.as_ref().is_none_or(|stream| replies(headers, &stream.reply))
    }

    /// Whether the client takes any answer of success for a tunnel.
    pub(super) fn takes_success_for_tunnel(&self) -> bool {
        self.stream.is_some()
    }

    /// Tells the client that it has what it asked for; `response` has no hop-by-hop fields. Gives the stream that the
    /// tunnel goes over, if it is one.
    pub(super) fn grant<B>(self, response: &mut Response<B>) -> Option<OnUpgrade> {
        let Some(Stream { io, .. }) = self.stream else {
            renew_upgrade(response.headers_mut());
            return None;
        };
        *response.status_mut() = StatusCode::OK;
        drop_reply(response.headers_mut());
        Some(io)
    }
}
