//! The rounds: what is kept is shown, what is missing or due is ordered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use instant_acme::{Account, AccountCredentials, CertificateIdentifier, Error, NewAccount, Problem};
use tokio::sync::watch;

use super::answers::Answers;
use super::order::{self, Refusal};
use super::renewal;
use super::shelf::Shelf;
use super::web::Web;
use crate::metrics::AcmeMetrics;
use crate::model::AcmeSettings;
use crate::table::Challenges;
use crate::tls::Certificate;

/// How often it is looked what is due: clocks jump, and machines sleep.
const ROUND: Duration = Duration::from_secs(60);
/// The shortest time between two such looks.
const LEAST: Duration = Duration::from_secs(1);

/// Where the keeper puts what it has.
pub struct Ways {
    /// Has these certificates shown, and no others of the authority.
    pub show: Box<dyn Fn(Vec<Certificate>) + Send + Sync>,
    /// What this balancer answers to the authority.
    pub challenges: Challenges,
    /// What the other balancers are told; `None`: there are no others.
    pub told: Option<watch::Sender<BTreeMap<String, String>>>,
    pub metrics: AcmeMetrics,
}

/// Sees that there is a certificate for each domain.
pub struct Keeper {
    settings: AcmeSettings,
    shelf: Shelf,
    show: Box<dyn Fn(Vec<Certificate>) + Send + Sync>,
    answers: Answers,
    metrics: AcmeMetrics,
    account: Option<Account>,
    domains: BTreeMap<Arc<str>, Domain>,
}

/// What is known of the certificate of one domain.
#[derive(Default)]
struct Domain {
    certificate: Option<Certificate>,
    /// When to renew it, by the authority's word or by its age.
    due: Option<SystemTime>,
    /// The authority has a word on it.
    advised: bool,
    /// When to ask for that word again.
    ask: Option<Instant>,
    /// Orders in a row that came to nothing.
    failures: u32,
    /// No order before this.
    pause: Option<Instant>,
}

impl Keeper {
    /// Shows what is kept on disk at once. Blocks on it.
    pub fn new(settings: AcmeSettings, ways: Ways) -> Self {
        let shelf = Shelf::new(&settings);
        let kept = |domain: &Arc<str>| {
            let certificate = shelf.certificate(domain);
            let due = certificate.as_ref().map(renewal::by_age);
            (domain.clone(), Domain { certificate, due, ..Domain::default() })
        };
        let domains = settings.domains.iter().map(kept).collect();
        let Ways { show, challenges, told, metrics } = ways;
        let answers = Answers::new(challenges, told);
        let keeper = Self { settings, shelf, show, answers, metrics, account: None, domains };
        keeper.show_all();
        keeper
    }

    /// Goes on until it is dropped, which is safe at any time.
    pub async fn run(&mut self) {
        loop {
            let domains: Vec<_> = self.domains.keys().cloned().collect();
            for domain in domains {
                self.advise(&domain).await;
                if self.domains.get(&domain).is_some_and(|it| it.due_in(SystemTime::now(), Instant::now()).is_zero()) {
                    self.renew(&domain).await;
                }
            }
            tokio::time::sleep(self.rest()).await;
        }
    }

    /// Until somebody may be due.
    fn rest(&self) -> Duration {
        let (now, clock) = (SystemTime::now(), Instant::now());
        let waits = self.domains.values().map(|domain| domain.due_in(now, clock));
        waits.min().unwrap_or(ROUND).clamp(LEAST, ROUND)
    }

    /// Asks the authority when the certificate of `domain` is to be renewed, if it is time to ask.
    async fn advise(&mut self, domain: &Arc<str>) {
        let Some(known) = self.domains.get(domain) else { return };
        let Some(certificate) = known.certificate.clone() else { return };
        let waits = |until: Option<Instant>| until.is_some_and(|until| until > Instant::now());
        if waits(known.ask) || (known.failures > 0 && waits(known.pause)) {
            return;
        }
        let word = async {
            let account = self.account().await.map_err(|reason| tracing::debug!(reason, "no account")).ok()?;
            let told = account.renewal_info(&identifier(&certificate)?).await;
            told.map_err(|error| tracing::debug!(%domain, %error, "no renewal information")).ok()
        };
        let word = word.await;
        let Some(known) = self.domains.get_mut(domain) else { return };
        let advised = std::mem::replace(&mut known.advised, word.is_some());
        let hint = match word {
            Some((info, hint)) => {
                let window = [info.suggested_window.start, info.suggested_window.end].map(|at| at.unix_timestamp());
                let [start, end] = window.map(moment);
                // A word that did not change must not move the moment that was drawn.
                if !advised || known.due.is_none_or(|due| due < start || due > end) {
                    let wanted = renewal::within(start, end, fastrand::f64());
                    known.due = Some(wanted.min(renewal::latest(&certificate)));
                }
                hint
            }
            None => {
                known.due = Some(renewal::by_age(&certificate));
                Duration::ZERO
            }
        };
        known.ask = Instant::now().checked_add(renewal::ask_in(hint));
    }

    async fn renew(&mut self, domain: &Arc<str>) {
        let renewed = self.ordered(domain).await;
        self.answers.withdraw();
        self.metrics.ordered(renewed.is_ok());
        let Some(known) = self.domains.get_mut(domain) else { return };
        match renewed {
            Ok(certificate) => {
                let until = humantime::format_rfc3339_seconds(certificate.to);
                tracing::info!(%domain, %until, "a certificate came from the authority");
                let due = Some(renewal::by_age(&certificate));
                let pause = Instant::now().checked_add(renewal::rest(&certificate));
                *known = Domain { certificate: Some(certificate), due, pause, ..Domain::default() };
                self.show_all();
            }
            Err(reason) => {
                known.failures += 1;
                let pause = renewal::pause(known.failures, fastrand::f64());
                known.pause = Instant::now().checked_add(pause);
                let again = humantime::format_duration(Duration::from_secs(pause.as_secs())).to_string();
                tracing::warn!(%domain, reason, again, "no certificate came from the authority");
            }
        }
    }

    /// Orders a certificate, keeps it, and reads it back.
    async fn ordered(&mut self, domain: &Arc<str>) -> Result<Certificate, String> {
        let shelf = self.shelf.clone();
        on_disk(move || shelf.try_out().map_err(|error| error.to_string())).await?;
        let account = self.account().await?;
        let known = self.domains.get(domain);
        let replaced = known.filter(|known| known.advised).and_then(|known| known.certificate.clone());
        let replaces = replaced.as_ref().and_then(identifier);
        let again = replaces.is_some();
        let issued = match order::order(&account, domain, replaces, &self.answers).await {
            // It holds another one to be the successor already.
            Err(Refusal::Authority(Error::Api(_))) if again => {
                order::order(&account, domain, None, &self.answers).await
            }
            issued => issued,
        };
        if matches!(&issued, Err(Refusal::Authority(Error::Api(problem))) if is_stranger(problem)) {
            self.account = None;
            let shelf = self.shelf.clone();
            on_disk(move || shelf.forget_account().map_err(|error| error.to_string())).await?;
        }
        let issued = issued.map_err(|refusal| refusal.to_string())?;
        let (shelf, domain) = (self.shelf.clone(), domain.clone());
        on_disk(move || {
            shelf.keep_certificate(&domain, &issued.key, &issued.chain).map_err(|error| error.to_string())?;
            shelf.certificate(&domain).ok_or_else(|| "what the authority gave can't be used".to_owned())
        })
        .await
    }

    /// The account that is kept, or else a new one.
    async fn account(&mut self) -> Result<Account, String> {
        if let Some(account) = &self.account {
            return Ok(account.clone());
        }
        let (shelf, ca_file) = (self.shelf.clone(), self.settings.ca_file.clone());
        let read = move || {
            let kept = shelf.account().map_err(|error| error.to_string())?;
            if kept.is_none() {
                shelf.try_out().map_err(|error| error.to_string())?;
            }
            Ok((kept, Web::new(ca_file.as_deref())?))
        };
        let (kept, web): (Option<AccountCredentials>, _) = on_disk(read).await?;
        let builder = Account::builder_with_http(Box::new(web));
        let account = match kept {
            Some(kept) => builder.from_credentials(kept).await.map_err(|error| error.to_string())?,
            None => {
                let contact: Vec<_> = self.settings.contact.iter().map(String::as_str).collect();
                let wanted =
                    NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
                let made = builder.create(&wanted, self.settings.directory.clone(), None).await;
                let (account, credentials) = made.map_err(|error| error.to_string())?;
                let shelf = self.shelf.clone();
                on_disk(move || shelf.keep_account(&credentials).map_err(|error| error.to_string())).await?;
                account
            }
        };
        self.account = Some(account.clone());
        Ok(account)
    }

    fn show_all(&self) {
        let certificates = self.domains.values().filter_map(|domain| domain.certificate.clone()).collect();
        (self.show)(certificates);
    }
}

impl Domain {
    /// Zero: it is due.
    fn due_in(&self, now: SystemTime, clock: Instant) -> Duration {
        let due = self.due.and_then(|due| due.duration_since(now).ok()).unwrap_or_default();
        let pause = self.pause.map(|until| until.saturating_duration_since(clock)).unwrap_or_default();
        due.max(pause)
    }
}

/// Whether the authority does not know the account (RFC 8555, 6.7).
fn is_stranger(problem: &Problem) -> bool {
    problem.r#type.as_deref() == Some("urn:ietf:params:acme:error:accountDoesNotExist")
}

/// How the authority knows a certificate; `None`: it says too little of itself.
fn identifier(certificate: &Certificate) -> Option<CertificateIdentifier<'_>> {
    CertificateIdentifier::try_from(certificate.leaf()?).ok()
}

/// Seconds since 1970.
fn moment(seconds: i64) -> SystemTime {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Does what blocks on the disk elsewhere.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_due_and_what_failed_has_a_pause() {
        let (now, clock) = (SystemTime::now(), Instant::now());
        let later = clock + Duration::from_secs(1);
        let second = Duration::from_secs(1);
        let failed = |due| Domain { pause: Some(later), due, ..Domain::default() };
        assert_eq!(Domain::default().due_in(now, clock), Duration::ZERO);
        assert_eq!(failed(None).due_in(now, clock), second);
        assert_eq!(failed(Some(now)).due_in(now, later), Duration::ZERO);
        let fresh = Domain { due: Some(now + second), ..Domain::default() };
        assert_eq!((fresh.due_in(now, clock), fresh.due_in(now + second, clock)), (second, Duration::ZERO));
    }
}
