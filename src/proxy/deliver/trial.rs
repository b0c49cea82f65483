//! The one request by which a canary that was out shows that it can come back.

use std::sync::Arc;

use http::{Method, Request};

use super::super::balance;
use super::super::upload::Upload;
use crate::table::{Backend, Routed, TrialSeat, Trying};

/// The canary's backend for `request`, and the seat, if this request is to be the trial: the first that can be repeated
/// on stable when it fails.
pub(in crate::proxy) fn claim(
    service: &Routed,
    trying: &Trying,
    request: &Request<Upload>,
) -> Option<(Arc<Backend>, TrialSeat)> {
    if *request.method() != Method::GET || request.body().is_some() || service.stable.is_empty() {
        trying.trial.pass_over();
        return None;
    }
    let backend = balance::pick(&trying.lane, service.balance, &service.positions.canary.0)?;
    Some((backend.clone(), trying.trial.claim()?))
}
