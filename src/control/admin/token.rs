//! Who may change something.

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Admin;
use super::refusal::Refusal;
use crate::model::Secret;

/// Lets a request pass that carries `Authorization: Bearer <token>` (RFC 6750, 2.1), or any when no token is set.
pub(super) async fn required(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    match &admin.token {
        Some(token) if !carries(request.headers(), token) => {
            let challenge = [(WWW_AUTHENTICATE, "Bearer")];
            let error = "this change needs the token of admin.token_file";
            let remedy = "send `Authorization: Bearer` with it (`coalmine` does with --token-file)";
            (challenge, Refusal::new(StatusCode::UNAUTHORIZED, error, remedy)).into_response()
        }
        _ => next.run(request).await,
    }
}

fn carries(headers: &HeaderMap, token: &Secret) -> bool {
    let value = headers.get(AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
    let Some((scheme, candidate)) = value.split_at_checked(7) else { return false };
    scheme.eq_ignore_ascii_case(b"bearer ") && token.matches(candidate.trim_ascii())
}
