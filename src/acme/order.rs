//! One certificate, from the order to the chain.

use std::collections::BTreeMap;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error, Identifier, NewOrder, OrderStatus,
    RetryPolicy,
};

use super::answers::Answers;

/// For the authority to make up its mind, at each of two steps.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(90));

/// A fresh key and the chain for it, in PEM.
pub(super) struct Issued {
    pub(super) key: String,
    pub(super) chain: String,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0}")]
    Authority(#[from] Error),
    #[error("the authority offers no http-01 challenge")]
    NoChallenge,
    #[error("the authority could not verify the name: is it led to port 80 of this balancer? ({0})")]
    NotVerified(String),
}

/// Orders a certificate for `domain`. `replaces`: the certificate that the new one comes after.
///
/// Cancel safe: the authority forgets an order that nobody goes on with.
///
/// # Errors
/// The authority refuses, or can't be reached.
pub(super) async fn order(
    account: &Account,
    domain: &str,
    replaces: Option<CertificateIdentifier<'_>>,
    answers: &Answers,
) -> Result<Issued, Refusal> {
    let names = [Identifier::Dns(domain.to_owned())];
    let mut wanted = NewOrder::new(&names);
    if let Some(replaces) = replaces {
        wanted = wanted.replaces(replaces);
    }
    let mut order = account.new_order(&wanted).await?;
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        match authorization.status {
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Valid => continue,
            status => return Err(Refusal::NotVerified(format!("{status:?}"))),
        }
        let mut challenge = authorization.challenge(ChallengeType::Http01).ok_or(Refusal::NoChallenge)?;
        let answer = challenge.key_authorization().as_str().to_owned();
        answers.publish(BTreeMap::from([(challenge.token.clone(), answer)])).await;
        challenge.set_ready().await?;
    }
    match order.poll_ready(&PATIENCE).await? {
        OrderStatus::Ready => {}
        status => return Err(Refusal::NotVerified(format!("{status:?}"))),
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    Ok(Issued { key, chain })
}
