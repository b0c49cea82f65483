//! The one request by which a canary that was out shows that it can come back.

use std::sync::Arc;

use http::{Method, Request};

use super::super::balance;
use super::super::upload::Upload;
use crate::table::{Backend, Routed, TrialSeat, Trying};

/// The canary's backend for `request`, and the seat, if this request is to be the trial: the first that can be repeated
/// on stable when it fails, which a call of gRPC never is. `bound`: it has a place on stable by its visitor's wish, a rule or a cookie.
pub(in crate::proxy) fn claim(
    service: &Routed,
    trying: &Trying,
    request: &Request<Upload>,
    bound: bool,
) -> Option<(Arc<Backend>, TrialSeat)> {
    let repeatable = *request.method() == Method::GET && !request.body().is_some();
    if bound || !repeatable || trying.grpc || service.stable.is_empty() {
        trying.trial.pass_over();
        return None;
    }
    let seat = trying.trial.claim()?;
    let backend = balance::pick(&trying.lane, service.balance, &service.positions.canary.0)?;
    Some((backend.clone(), seat))
}
