use std::time::Duration;

use super::{SERVICE, problems};
use crate::config::parse;
use crate::model::{MailTls, NotifySettings, Way};

const MAIL: &str = "[notify.mail]\nfrom = 'coalmine@a.test'\nto = ['Ops <ops@a.test>']\n";

fn notify(text: &str) -> NotifySettings {
    parse(&format!("{text}{SERVICE}")).unwrap_or_else(|error| panic!("{error}")).notify
}

#[test]
fn unwritten_nobody_is_told() {
    let none = notify("");
    assert_eq!((none.outbox, none.mail, none.webhooks), (None, None, Vec::new()));
    assert_eq!((none.group, none.hourly, none.ways), (Duration::from_secs(5), 20, vec![Way::Mail, Way::Webhook]));
}

#[test]
fn the_port_follows_the_way_of_tls() {
    for (tls, port) in [(MailTls::Off, 25), (MailTls::Starttls, 587), (MailTls::Implicit, 465)] {
        let word = serde_json::to_string(&tls).unwrap();
        assert_eq!(notify(&format!("{MAIL}tls = {word}\n")).mail.unwrap().port, port);
    }
    assert_eq!(notify(&format!("{MAIL}port = 2525\n")).mail.unwrap().port, 2525);
}

#[test]
fn each_mistake_is_named_by_its_key() {
    let hook = "[[notify.webhook]]\n";
    for (text, key) in [
        ("[notify]\ngroup = '2h'\n".to_owned(), "notify.group"),
        ("[notify]\nhourly = 0\n".to_owned(), "notify.hourly"),
        ("[notify]\nways = ['mail', 'pigeon']\n".to_owned(), "notify.ways[1]"),
        ("[notify]\nca_file = '/nonexistent'\n".to_owned(), "notify.ca_file"),
        ("[notify.mail]\nto = ['a@b']\n".to_owned(), "notify.mail.from"),
        ("[notify.mail]\nfrom = 'a@b.test'\n".to_owned(), "notify.mail.to"),
        (format!("{MAIL}username = 'x'\n"), "notify.mail.username"),
        (format!("{MAIL}tls = 'yes'\n"), "notify.mail.tls"),
        (format!("{MAIL}timeout = '2m'\n"), "notify.mail.timeout"),
        (hook.to_owned(), "notify.webhook[0].url"),
        (format!("{hook}url = 'ftp://a/'\n"), "notify.webhook[0].url"),
        (format!("{hook}url = 'https://user:hunter2@a/'\n"), "notify.webhook[0].url"),
    ] {
        let found = problems(&format!("{text}{SERVICE}"));
        assert_eq!((found.len(), found[0].key.as_str()), (1, key), "{text}: {found:#?}");
        assert!(!found[0].to_string().contains("hunter2"));
    }
}

#[test]
fn a_password_is_not_sent_over_a_network_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "hunter2\n").unwrap();
    let text = |host: &str, tls: &str| {
        let file = file.display();
        format!("{MAIL}host = '{host}'\ntls = '{tls}'\nusername = 'u'\npassword_file = '{file}'\n{SERVICE}")
    };
    for (host, tls) in [("127.0.0.1", "off"), ("localhost", "off"), ("mail.test", "implicit")] {
        assert_eq!(problems(&text(host, tls)), [], "{host} {tls}");
    }
    let found = problems(&text("mail.test", "off"));
    assert_eq!((found.len(), found[0].key.as_str()), (1, "notify.mail.tls"), "{found:#?}");
    let printed = crate::config::render(&parse(&text("localhost", "off")).unwrap());
    assert!(printed.contains("password = \"***\"") && !printed.contains("hunter2"), "{printed}");
}

#[test]
fn only_a_canary_can_be_rolled_back() {
    let text = "[[service]]\nname = 'a'\nstable.backends = ['a:1']\nrollback.url = 'http://b'\n";
    let found = problems(text);
    assert_eq!((found.len(), found[0].key.as_str()), (1, "service[0].rollback"), "{found:#?}");
    let spec = parse(&format!("{SERVICE}rollback.url = 'http://b'\n")).unwrap().services.remove(0).rollback.unwrap();
    assert_eq!((spec.ejections.get(), spec.within), (3, Duration::from_secs(600)));
}
