//! One attempt to hand a mail to its server.

use std::error::Error;
use std::path::Path;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use tokio::time::timeout;

use super::text::Letter;
use super::{Outcome, trust};
use crate::model::{MailSettings, MailTls};

const TOPIC: HeaderName = HeaderName::new_from_ascii_str("X-Coalmine-Topic");

/// Sends to every receiver at once. No refusal is final: its cause is most often something that operators mend. Not
/// cancel safe: dropped, it may have been sent.
pub(super) async fn send(settings: &MailSettings, ca_file: Option<&Path>, letter: &Letter) -> Outcome {
    let (message, server) = match (message(settings, letter), server(settings, ca_file)) {
        (Ok(message), Ok(server)) => (message, server),
        (Err(reason), _) | (_, Err(reason)) => return Outcome::Later(reason),
    };
    match timeout(settings.timeout, server.send(message)).await {
        Ok(Ok(_)) => Outcome::Sent,
        Ok(Err(error)) => Outcome::Later(chain(&error)),
        Err(_) => Outcome::Later(format!("no answer within {:?}", settings.timeout)),
    }
}

fn message(settings: &MailSettings, letter: &Letter) -> Result<Message, String> {
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| format!("`{text}`: {error}"));
    let mut message = Message::builder()
        .from(mailbox(&settings.from)?)
        .subject(&letter.subject)
        .message_id(Some(letter.id.clone()))
        .raw_header(HeaderValue::new(TOPIC, letter.topics.clone()))
        .header(ContentType::TEXT_PLAIN);
    for to in &settings.to {
        message = message.to(mailbox(to)?);
    }
    message.body(letter.body.clone()).map_err(|error| chain(&error))
}

/// A connection for each mail: there are few, and none is there to break in between.
fn server(settings: &MailSettings, ca_file: Option<&Path>) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let parameters = || {
        let mut parameters = TlsParameters::builder(settings.host.clone());
        for certificate in trust::own(ca_file)? {
            let certificate = Certificate::from_der(certificate.to_vec()).map_err(|error| chain(&error))?;
            parameters = parameters.add_root_certificate(certificate);
        }
        parameters.build_rustls().map_err(|error| chain(&error))
    };
    let tls = match settings.tls {
        MailTls::Off => Tls::None,
        MailTls::Starttls => Tls::Required(parameters()?),
        MailTls::Implicit => Tls::Wrapper(parameters()?),
    };
    let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
        .port(settings.port)
        .tls(tls)
        .timeout(Some(settings.timeout));
    if let (Some(name), Some(password)) = (&settings.username, &settings.password) {
        server = server.credentials(Credentials::new(name.clone(), password.reveal().to_owned()));
    }
    Ok(server.build())
}

/// An error and what is behind it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
