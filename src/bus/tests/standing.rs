//! Words of one writer in a real redis-server.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::PATIENCE;
use super::server::{Server, Watched};
use crate::bus::{Standing, StandingKey, Word, standing};
use crate::model::{CompatKey, RedisPlace, RedisSettings, Secret};

const KEY: &str = "alert:app:web2";
const FULL: &str = "coalmine:alert:app:web2";

/// The writer of one key.
struct Writer {
    wanted: watch::Sender<Option<Standing>>,
    found: oneshot::Receiver<BTreeMap<String, String>>,
    _task: AbortOnDropHandle<()>,
}

impl Writer {
    fn start(server: &Server) -> Self {
        Self::start_as(server, "", None)
    }

    fn start_as(server: &Server, username: &str, password: Option<Secret>) -> Self {
        Self::start_at(RedisPlace::Server { address: server.endpoint(), database: 0 }, username, password)
    }

    fn start_at(place: RedisPlace, username: &str, password: Option<Secret>) -> Self {
        let settings = RedisSettings {
            place,
            username: username.to_owned(),
            password,
            tls: false,
            prefix: "coalmine:".to_owned(),
        };
        let (wanted, wishes) = watch::channel(None);
        let (tell, found) = oneshot::channel();
        let work = standing(settings, vec![KEY.to_owned()], tell, wishes, CancellationToken::new());
        Self { wanted, found, _task: AbortOnDropHandle::new(tokio::spawn(work)) }
    }

    fn want(&self, words: &[(StandingKey, Word)]) {
        self.wanted.send_replace(Some(words.iter().cloned().collect()));
    }
}

fn own() -> StandingKey {
    StandingKey::Own(KEY.to_owned())
}

fn raised(text: &str, lifetime: Option<Duration>) -> Word {
    Word::Raised { text: text.into(), lifetime, renew: Duration::from_millis(200) }
}

const LONG: Option<Duration> = Some(Duration::from_secs(60));

#[tokio::test]
async fn what_stood_before_is_told_and_left_alone_until_something_is_wanted() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.run(&format!("SET {FULL} before PX 60000")).await;
    let mut writer = Writer::start(&server);
    let found = tokio::time::timeout(PATIENCE, &mut writer.found).await.unwrap().unwrap();
    assert_eq!(found, BTreeMap::from([(KEY.to_owned(), "before".to_owned())]));
    assert_eq!(client.run(&format!("GET {FULL}")).await, "before");
    writer.want(&[(own(), Word::Clear)]);
    client.until(FULL, |value| value == "(nil)").await;
}

#[tokio::test]
async fn a_word_stands_renewed_past_its_life_until_it_is_taken_back() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let writer = Writer::start(&server);
    writer.want(&[(own(), raised("x", LONG))]);
    client.until(FULL, |value| value == "x").await;
    assert!(client.run(&format!("PTTL {FULL}")).await.starts_with("int("));
    client.run(&format!("SET {FULL} other")).await;
    client.until(FULL, |value| value == "x").await;
    writer.want(&[(own(), raised("y", None))]);
    client.until(FULL, |value| value == "y").await;
    assert_eq!(client.run(&format!("PTTL {FULL}")).await, "int(-1)");
    writer.want(&[(own(), Word::Clear)]);
    client.until(FULL, |value| value == "(nil)").await;
}

#[tokio::test]
async fn what_is_said_while_the_server_is_down_is_written_when_it_is_back() {
    let mut server = Server::start().await;
    let writer = Writer::start(&server);
    writer.want(&[(own(), raised("x", LONG))]);
    server.client().await.until(FULL, |value| value == "x").await;
    server.kill();
    server.restart().await;
    server.client().await.until(FULL, |value| value == "x").await;
    server.kill();
    writer.want(&[(own(), raised("y", LONG))]);
    server.restart().await;
    server.client().await.until(FULL, |value| value == "y").await;
}

#[tokio::test]
async fn a_word_is_written_to_the_primary_that_a_sentinel_promotes() {
    let watched = Watched::start().await;
    let writer = Writer::start_at(watched.place(), "", None);
    writer.want(&[(own(), raised("x", LONG))]);
    watched.primary.client().await.until(FULL, |value| value == "x").await;
    let client = watched.fail_over().await;
    writer.want(&[(own(), raised("y", LONG))]);
    client.until(FULL, |value| value == "y").await;
    writer.want(&[(own(), Word::Clear)]);
    client.until(FULL, |value| value == "(nil)").await;
}

#[tokio::test]
async fn old_names_hold_what_older_systems_read() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.run("RPUSH alertValThreshold no tail").await;
    let writer = Writer::start(&server);
    let old = [CompatKey::List("alertValThreshold".into()), CompatKey::Text("alert".into())].map(StandingKey::Old);
    let words = |word: &Word| old.clone().map(|key| (key, word.clone()));
    writer.want(&words(&raised("x", LONG)));
    client.until("alert", |value| value == "1").await;
    let list = "LRANGE alertValThreshold 0 -1";
    assert_eq!(client.run(list).await, "array([bulk-string('\"yes\"'), bulk-string('\"tail\"')])");
    assert!(!client.run("PTTL alertValThreshold").await.contains("-1"));
    writer.want(&words(&Word::Clear));
    client.until("alert", |value| value == "0").await;
    assert_eq!(client.run(list).await, "array([bulk-string('\"no\"'), bulk-string('\"tail\"')])");
    assert_eq!(client.run("PTTL alertValThreshold").await, "int(-1)");
    client.run("DEL alertValThreshold").await;
    writer.want(&words(&raised("x", None)));
    client.until("alert", |value| value == "1").await;
    assert_eq!(client.run(list).await, "array([bulk-string('\"yes\"')])");
}

#[tokio::test]
async fn a_restricted_user_suffices_and_a_refusal_holds_nothing_else_up() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let user = "ACL SETUSER monitor on >secret resetkeys ~coalmine:alert:* ~alertValThreshold resetchannels -@all \
                +hello +getrange +pttl +set +del +eval +exists +lset +rpush +persist +pexpire";
    client.run(user).await;
    client.run("CONFIG SET requirepass other").await;
    let writer = Writer::start_as(&server, "monitor", Some(Secret::new("secret".to_owned())));
    let word = raised("x", LONG);
    writer.want(&[
        (StandingKey::Old(CompatKey::Text("alert".into())), word.clone()),
        (StandingKey::Old(CompatKey::List("alertValThreshold".into())), word.clone()),
        (own(), word.clone()),
    ]);
    client.until(FULL, |value| value == "x").await;
    client.run("ACL SETUSER monitor ~alert").await;
    client.until("alert", |value| value == "1").await;
    assert!(client.run("LRANGE alertValThreshold 0 0").await.contains("yes"));
}
