//! What balancers tell each other for a certificate authority.

use super::*;

fn challenges(token: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(token.to_owned(), format!("{token}.thumb"))])
}

#[tokio::test]
async fn a_challenge_of_one_balancer_is_known_to_the_others_until_it_is_taken_back() {
    let server = Server::start().await;
    let (one, mut two) = (Bus::named(&server, "lb1"), Bus::named(&server, "lb2"));
    one.challenge.send_replace(challenges("tok-en"));
    two.until_challenges(&challenges("tok-en")).await;
    let mut late = Bus::named(&server, "lb3");
    late.until_challenges(&challenges("tok-en")).await;
    let left = server.client().await.run("PTTL coalmine:acme:tok-en").await;
    assert!(left.starts_with("int(") && !left.contains('-'), "it ends by itself: {left}");
    one.challenge.send_replace(BTreeMap::new());
    two.until_challenges(&BTreeMap::new()).await;
    assert_eq!(server.client().await.run("GET coalmine:acme:tok-en").await, "(nil)");
}

#[tokio::test]
async fn a_text_that_is_no_answer_to_its_token_is_not_taken_up() {
    let server = Server::start().await;
    let mut one = Bus::named(&server, "lb1");
    let mut client = server.client().await;
    client.run("SET coalmine:acme:evil <script>").await;
    client.run("SET coalmine:acme:other tok.thumb").await;
    client.run("SET coalmine:acme:good good.thumb").await;
    one.until_challenges(&challenges("good")).await;
}
