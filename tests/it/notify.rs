//! Who is told of what the balancer does, and that nobody is told twice.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use serde_json::Value;

use crate::support::backend::Request;
use crate::support::coalmine::{run, text};
use crate::support::config::file;
use crate::support::smtp::{Mail, Smtp};
use crate::support::{Backend, Config, Lineage, Script, Service, eventually, for_a_while};

const SECRET: &str = "hunter2";
/// In which a second mail or request would have come.
const QUIET: Duration = Duration::from_millis(500);

/// A balancer with a canary, before whom it tells.
struct Stage {
    stable: Backend,
    canary: Backend,
    hook: Backend,
    _secret: tempfile::TempDir,
    secret_file: String,
}

impl Stage {
    fn set() -> Self {
        let (secret, path) = file("secret", SECRET);
        Self {
            stable: Backend::start("stable"),
            canary: Backend::start("canary"),
            hook: Backend::start("hook"),
            secret_file: text(&path).to_owned(),
            _secret: secret,
        }
    }

    /// Tells by `smtp`, and by the hook, with these lines for `[notify]`.
    fn config(&self, smtp: Option<&Smtp>, lines: &str) -> Config {
        let mail = smtp.map(Smtp::table).unwrap_or_default();
        let hook = format!("[[notify.webhook]]\n{}", self.hook_lines("/told"));
        self.quiet(&format!("{lines}\n{mail}{hook}"))
    }

    /// With the whole table.
    fn quiet(&self, notify: &str) -> Config {
        let service = Service::of("web", &[&self.stable], &[&self.canary]).quick_probes();
        Config::new().service(service).balancer("lb1").notify(notify)
    }

    fn hook_lines(&self, path: &str) -> String {
        format!("url = \"http://{}{path}\"\nsecret_file = \"{}\"\n", self.hook.address, self.secret_file)
    }

    fn told(&self) -> Vec<Request> {
        self.hook.requests()
    }
}

fn outbox(directory: &tempfile::TempDir) -> String {
    format!("group = \"0s\"\noutbox = \"{}\"", directory.path().display())
}

fn subjects(smtp: &Smtp) -> Vec<String> {
    smtp.mails().iter().map(|mail| mail.header("Subject")).collect()
}

/// What a request carries, after its signature was found to be right.
#[track_caller]
fn verified(request: &Request) -> Value {
    let field = |name: &str| request.head.get(name).unwrap_or_else(|| panic!("no {name} in {request:?}"));
    let (timestamp, nonce) = (field("x-coalmine-timestamp"), field("x-coalmine-nonce"));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signed = [format!("{timestamp}.{nonce}.").as_bytes(), &request.body.bytes].concat();
    let tag = hmac::sign(&key, &signed);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(field("x-coalmine-signature"), format!("sha256={hex}"));
    assert_eq!(field("idempotency-key"), nonce);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(timestamp.parse().unwrap()) < 600, "{timestamp}");
    serde_json::from_slice(&request.body.bytes).unwrap()
}

#[test]
fn an_ejection_is_one_mail_and_one_signed_request_and_so_is_the_return() {
    let (stage, smtp) = (Stage::set(), Smtp::start());
    let coalmine = stage.config(Some(&smtp), "group = \"0s\"").start_admitted();
    coalmine.raise("web");
    eventually("both are told", || (smtp.mails().len(), stage.told().len()) == (1, 1));
    let Mail { to, text, .. } = &smtp.mails()[0];
    assert_eq!((to.len(), to[0].contains("ops@lb.test")), (1, true), "{to:?}");
    assert_eq!(smtp.mails()[0].header("X-Coalmine-Topic"), "gate:web");
    assert_eq!(subjects(&smtp), ["[coalmine] FIRING web: the canary is ejected by an alert"], "{text}");
    let posted = verified(&stage.told()[0]);
    assert_eq!(
        (&posted["event"], &posted["kind"], &posted["source"]),
        (&"ejected".into(), &"firing".into(), &"lb1".into())
    );
    assert_eq!((&posted["service"], &posted["details"]["reason"]), (&"web".into(), &"alert".into()));

    coalmine.clear("web");
    coalmine.wait_admitted("web");
    eventually("both are told of the return", || (smtp.mails().len(), stage.told().len()) == (2, 2));
    assert_eq!(verified(&stage.told()[1])["event"], "readmitted");
    for_a_while(QUIET);
    assert_eq!((smtp.mails().len(), stage.told().len()), (2, 2));
    eventually("it is counted", || coalmine.metric("coalmine_notices_total", &[("result", "sent")]) == 4.0);
    assert_eq!(coalmine.metric("coalmine_notices_pending", &[]), 0.0);
}

#[test]
fn a_return_within_the_group_is_told_with_the_ejection_and_an_end_waits_for_neither() {
    let (stage, smtp) = (Stage::set(), Smtp::start());
    let mut coalmine = stage.config(Some(&smtp), "group = \"1h\"").start_admitted();
    let waiting = || coalmine.metric("coalmine_notices_pending", &[("way", "mail")]);
    coalmine.raise("web");
    eventually("the ejection waits", || waiting() == 1.0);
    coalmine.clear("web");
    coalmine.wait_admitted("web");
    eventually("the return waits", || waiting() == 2.0);
    coalmine.process.signal("TERM");
    assert_eq!(coalmine.process.wait().code, Some(0));
    assert_eq!(subjects(&smtp), ["[coalmine] FIRED AND RECOVERED web: the canary is ejected by an alert"]);
}

#[test]
fn a_server_that_was_away_gets_the_mail_later_and_once() {
    let (stage, mut smtp) = (Stage::set(), Smtp::away());
    let coalmine = stage.config(Some(&smtp), "group = \"0s\"").start_admitted();
    coalmine.raise("web");
    let retried = || coalmine.metric("coalmine_notices_total", &[("way", "mail"), ("result", "retried")]);
    eventually("the server is asked", || retried() >= 1.0);
    assert_eq!(coalmine.metric("coalmine_notices_pending", &[("way", "mail")]), 1.0);
    smtp.come();
    eventually("the mail has come", || smtp.mails().len() == 1);
    for_a_while(QUIET);
    assert_eq!(smtp.mails().len(), 1);
}

#[test]
fn a_busy_server_gets_the_same_mail_again() {
    let (stage, smtp) = (Stage::set(), Smtp::start());
    smtp.be_busy(1);
    let coalmine = stage.config(Some(&smtp), "group = \"0s\"").start_admitted();
    coalmine.raise("web");
    eventually("the mail has come", || smtp.mails().len() == 1);
    let refused = smtp.refused();
    assert_eq!(refused[0].header("Message-ID"), smtp.mails()[0].header("Message-ID"));
    assert_eq!(coalmine.metric("coalmine_notices_total", &[("way", "mail"), ("result", "retried")]), 1.0);
}

#[test]
fn what_a_killed_process_could_not_send_its_successor_sends() {
    let (stage, mut smtp, directory) = (Stage::set(), Smtp::away(), tempfile::tempdir().unwrap());
    let config = stage.config(Some(&smtp), &outbox(&directory));
    let mut coalmine = config.clone().start_admitted();
    coalmine.raise("web");
    eventually("the notice is kept, and the request sent", || kept(directory.path()) == 1 && stage.told().len() == 1);
    coalmine.process.kill();
    smtp.come();
    let _coalmine = config.start_admitted();
    // The alert was gone with the process, and so the canary is back.
    eventually("the ejection and the return are told", || smtp.mails().len() == 2 && stage.told().len() == 2);
    let subjects = subjects(&smtp);
    assert!(subjects[0].contains("FIRING web") && subjects[1].contains("RECOVERED web"), "{subjects:?}");
    eventually("nothing is kept any more", || kept(directory.path()) == 0);
    for_a_while(QUIET);
    assert_eq!((smtp.mails().len(), stage.told().len()), (2, 2));
}

/// Notices in an outbox.
fn kept(outbox: &Path) -> usize {
    let files = fs::read_dir(outbox).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    files.filter(|name| name.ends_with(".json") && name != "memory.json").count()
}

#[test]
fn an_upgrade_tells_nothing_twice_and_forgets_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for lines in ["group = \"0s\"".to_owned(), outbox(&directory)] {
        let (stage, smtp) = (Stage::set(), Smtp::start());
        let coalmine = stage.config(Some(&smtp), &lines).start_admitted();
        coalmine.raise("web");
        eventually("the ejection is told", || (smtp.mails().len(), stage.told().len()) == (1, 1));
        let lineage = Lineage::of(&coalmine);
        lineage.upgrade();
        lineage.wait_old_ended();
        assert_eq!(coalmine.reasons("web"), ["alert"]);
        coalmine.clear("web");
        coalmine.wait_admitted("web");
        eventually("the return is told", || (smtp.mails().len(), stage.told().len()) == (2, 2));
        for_a_while(QUIET);
        assert_eq!((smtp.mails().len(), stage.told().len()), (2, 2), "{:?}", subjects(&smtp));
    }
}

#[test]
fn a_hundred_events_are_few_mails_and_none_is_lost() {
    let (stage, smtp) = (Stage::set(), Smtp::start());
    let coalmine = stage.quiet(&format!("group = \"100ms\"\nhourly = 2\n{}", smtp.table())).start_admitted();
    coalmine.rewrite("[nonsense]");
    for _ in 0..100 {
        assert_eq!(coalmine.ask("POST", "/api/v1/reload").status(), 422);
    }
    let mail = |metric: &str, labels: &[(&str, &str)]| coalmine.metric(metric, labels);
    eventually("all are sent or wait", || {
        let sent = mail("coalmine_notices_total", &[("way", "mail"), ("result", "sent")]);
        sent >= 1.0 && sent + mail("coalmine_notices_pending", &[("way", "mail")]) == 100.0
    });
    for_a_while(QUIET);
    assert!(smtp.mails().len() <= 2, "{:?}", subjects(&smtp));
    assert!(smtp.mails()[0].text.contains("reload_refused"), "{:?}", smtp.mails()[0]);
}

#[test]
fn a_request_that_failed_is_repeated_with_its_key_and_a_refused_one_is_not() {
    let stage = Stage::set();
    stage.hook.on("/told", Script::answer(500, "not now"));
    let coalmine = stage.config(None, "").start_admitted();
    coalmine.raise("web");
    eventually("it was tried", || !stage.told().is_empty());
    stage.hook.on("/told", Script::answer(200, "thanks"));
    let sent = || coalmine.metric("coalmine_notices_total", &[("way", "webhook"), ("result", "sent")]);
    eventually("it was taken", || sent() == 1.0);
    let told = stage.told();
    let keys: Vec<_> = told.iter().map(|request| request.head.get("idempotency-key")).collect();
    assert!(keys.len() >= 2 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    told.iter().for_each(|request| drop(verified(request)));

    stage.hook.on("/told", Script::answer(410, "nobody here"));
    coalmine.clear("web");
    coalmine.wait_admitted("web");
    let dropped = || coalmine.metric("coalmine_notices_total", &[("way", "webhook"), ("result", "dropped")]);
    eventually("it is given up", || dropped() == 1.0);
    assert_eq!(stage.told().len(), told.len() + 1);
}

#[test]
fn a_canary_that_was_ejected_too_often_is_given_up_once() {
    let stage = Stage::set();
    let service = Service::of("web", &[&stage.stable], &[&stage.canary]).quick_probes();
    let service = service.table("rollback", &format!("{}ejections = 2", stage.hook_lines("/rollback")));
    let coalmine = Config::new().service(service).balancer("lb1").start_admitted();
    for _ in 0..3 {
        coalmine.raise("web");
        coalmine.wait_ejected("web", "alert");
        coalmine.clear("web");
        coalmine.wait_admitted("web");
    }
    eventually("the hook is called", || stage.told().len() == 1);
    let request = &stage.told()[0];
    let posted = verified(request);
    assert_eq!((request.head.path(), &posted["event"]), ("/rollback", &"rollback".into()));
    assert_eq!((&posted["service"], &posted["details"]["ejections"]), (&"web".into(), &"2".into()));
    assert!(request.head.get("idempotency-key").unwrap().starts_with("rollback-web-"));
    for_a_while(QUIET);
    assert_eq!(stage.told().len(), 1);
}

#[test]
fn a_mail_goes_over_tls_with_a_login_where_the_certificate_is_trusted() {
    let (stage, (smtp, certificate)) = (Stage::set(), Smtp::start_with_tls());
    let (_directory, trusted) = file("ca.pem", &certificate);
    let table =
        format!("{}tls = \"implicit\"\nusername = \"lb\"\npassword_file = \"{}\"\n", smtp.table(), stage.secret_file);
    let config = |lines: &str| stage.quiet(&format!("group = \"0s\"\n{lines}\n{table}"));
    let (_config, path) = config("").write();
    let exit = run(&["notify", "--test", "-c", text(&path)]);
    assert_eq!((exit.code, smtp.mails().len()), (Some(1), 0), "nobody vouches for it: {exit:?}");
    let coalmine = config(&format!("ca_file = \"{}\"", text(&trusted))).start_admitted();
    coalmine.raise("web");
    eventually("the mail has come", || smtp.mails().len() == 1);
    // `\0lb\0hunter2`
    assert_eq!(smtp.mails()[0].login, "PLAIN AGxiAGh1bnRlcjI=");
}

#[test]
fn a_test_tells_of_each_way_how_it_went() {
    let (stage, smtp) = (Stage::set(), Smtp::start());
    smtp.be_busy(1);
    let (_directory, path) = stage.config(Some(&smtp), "").write();
    let test = || run(&["notify", "--test", "-c", text(&path)]);
    let exit = test();
    assert_eq!((exit.code, exit.stdout.contains("busy, come again")), (Some(1), true), "{exit:?}");
    assert!(exit.stdout.contains("/told: sent"), "{exit:?}");
    let exit = test();
    assert_eq!((exit.code, exit.stdout.matches(": sent\n").count()), (Some(0), 2), "{exit:?}");
    assert_eq!((smtp.mails().len(), stage.told().len()), (1, 2));
    assert_eq!(verified(&stage.told()[0])["event"], "test");
    let (_directory, path) = stage.quiet("").write();
    assert_eq!(run(&["notify", "--test", "-c", text(&path)]).code, Some(2), "nobody is told");
}
