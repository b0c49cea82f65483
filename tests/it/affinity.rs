//! What keeps a visitor where it was: on a version, or on a server.

use crate::support::backend::Refusing;
use crate::support::client::{Response, request};
use crate::support::coalmine::Coalmine;
use crate::support::{Backend, Config, Latch, Redis, Script, Service, eventually};

const KEY: &str = "a key that both balancers know";

/// The service `web` with probes that tell soon, and affinity to `kept_on`.
fn service(kept_on: &str, stable: &[&Backend], canary: &[&Backend]) -> Service {
    Service::of("web", stable, canary).quick_probes().key(&format!("affinity = \"{kept_on}\""))
}

fn start(service: Service) -> Coalmine {
    Config::new().service(service).affinity(&format!("key = \"{KEY}\"")).start_admitted()
}

/// The same without a canary.
fn start_stable(service: Service, stable: &[&Backend]) -> Coalmine {
    let coalmine = Config::new().service(service).affinity(&format!("key = \"{KEY}\"")).start();
    for backend in stable {
        coalmine.wait_backend("web", "stable", &backend.id, "up");
    }
    coalmine
}

/// Asks as a browser does that has this cookie, and gives the answer and the cookie that it has then.
fn visit(coalmine: &Coalmine, cookie: &mut Option<String>) -> Response {
    visit_at(coalmine, "/", cookie)
}

fn visit_at(coalmine: &Coalmine, target: &str, cookie: &mut Option<String>) -> Response {
    let line = cookie.as_ref().map(|cookie| format!("Cookie: theme=dark; {cookie}"));
    let fields: Vec<&str> = line.iter().map(String::as_str).collect();
    let response = coalmine.connect().request("GET", target, &fields);
    if let Some(set) = set_cookie(&response) {
        *cookie = Some(set);
    }
    response
}

/// The `name=value` of the cookie that an answer sets.
fn set_cookie(response: &Response) -> Option<String> {
    response.head.get("set-cookie").map(|set| set.split(';').next().unwrap_or_default().to_owned())
}

/// A visitor that is on the canary, or on stable: who serves it, and its cookie.
fn visitor_of(coalmine: &Coalmine, wanted: &[&str]) -> (String, Option<String>) {
    let mut found = None;
    eventually("a new visitor is served there", || {
        let mut cookie = None;
        let text = visit(coalmine, &mut cookie).text();
        found = wanted.contains(&text.as_str()).then_some((text, cookie));
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_visitor_stays_on_its_version_and_the_split_of_new_visitors_is_exact() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = start(service("track", &[&stable], &[&canary]));
    let mut on_canary = 0;
    for _ in 0..30 {
        let mut cookie = None;
        let first = visit(&coalmine, &mut cookie);
        assert!(cookie.is_some(), "{:?}", first.head);
        on_canary += u32::from(first.text() == "canary");
        for _ in 0..3 {
            let again = visit(&coalmine, &mut cookie);
            assert_eq!((again.text(), again.head.get("set-cookie")), (first.text(), None));
        }
    }
    assert_eq!(on_canary, 10);
}

#[test]
fn a_cookie_is_named_after_its_service_and_has_the_attributes_that_are_configured() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let plain = start(service("track", &[&stable], &[&canary])).get("/").head.get("set-cookie").unwrap();
    assert!(plain.starts_with("coalmine-web=1."), "{plain}");
    assert!(plain.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{plain}");
    let cookie = "name = \"place\"\nmax_age = \"1h\"\nsecure = true";
    let coalmine = start(service("track", &[&stable], &[&canary]).table("cookie", cookie));
    let set = coalmine.get("/").head.get("set-cookie").unwrap();
    assert!(set.starts_with("place=1.") && set.ends_with("; Secure; Max-Age=3600"), "{set}");
}

#[test]
fn a_visitor_stays_on_its_server_and_the_backend_sees_all_its_cookies() {
    let (a, b, canary) = (Backend::start("a"), Backend::start("b"), Backend::start("canary"));
    let coalmine = start(service("backend", &[&a, &b], &[&canary]));
    for wanted in ["a", "b", "canary"] {
        let (server, mut cookie) = visitor_of(&coalmine, &[wanted]);
        for _ in 0..5 {
            let again = visit(&coalmine, &mut cookie);
            assert_eq!((again.text(), again.head.get("set-cookie")), (server.clone(), None));
        }
        let backend = [&a, &b, &canary].into_iter().find(|backend| backend.id == server).unwrap();
        let sent = backend.requests().last().unwrap().head.get("cookie");
        assert_eq!(sent, Some(format!("theme=dark; {}", cookie.unwrap())));
    }
}

#[test]
fn a_backends_own_cookies_pass_beside_the_balancers() {
    let backend = Backend::start("stable");
    backend.on("", Script::new().send("HTTP/1.1 204 x\r\nSet-Cookie: session=1\r\nSet-Cookie: b=2\r\n\r\n"));
    let coalmine = Config::new().service(service("track", &[&backend], &[])).start();
    let response = coalmine.get("/");
    let set = response.head.all("set-cookie");
    assert_eq!((set.len(), &set[..2]), (3, &["session=1", "b=2"][..]));
}

#[test]
fn an_ejection_moves_the_canarys_visitors_to_stable_for_good() {
    for kept_on in ["track", "backend"] {
        let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
        let coalmine = start(service(kept_on, &[&stable], &[&canary]));
        let (_, mut cookie) = visitor_of(&coalmine, &["canary"]);
        coalmine.raise("web");
        coalmine.wait_ejected("web", "alert");
        let moved = visit(&coalmine, &mut cookie);
        assert_eq!((moved.text().as_str(), set_cookie(&moved)), ("stable", cookie.clone()));
        coalmine.clear("web");
        coalmine.wait_admitted("web");
        for _ in 0..6 {
            assert_eq!(visit(&coalmine, &mut cookie).text(), "stable");
        }
    }
}

#[test]
fn a_server_that_is_down_is_replaced_within_its_version() {
    let (a, b, canary) = (Backend::start("a"), Backend::start("b"), Backend::start("canary"));
    let coalmine = start(service("backend", &[&a, &b], &[&canary]));
    let (_, mut cookie) = visitor_of(&coalmine, &["a"]);
    a.set_healthy(false);
    coalmine.wait_backend("web", "stable", "a", "down");
    assert_eq!(visit(&coalmine, &mut cookie).text(), "b");
    a.set_healthy(true);
    coalmine.wait_backend("web", "stable", "a", "up");
    for _ in 0..4 {
        assert_eq!(visit(&coalmine, &mut cookie).text(), "b", "its session is there by then");
    }
}

#[test]
fn a_cookie_is_good_at_another_balancer_with_the_same_key_and_at_no_other() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let one = start(service("track", &[&stable], &[&canary]));
    let (_, mut cookie) = visitor_of(&one, &["canary"]);
    let two = start(service("track", &[&stable], &[&canary]));
    for _ in 0..6 {
        let again = visit(&two, &mut cookie);
        assert_eq!((again.text().as_str(), again.head.get("set-cookie")), ("canary", None));
    }
    let stranger = Config::new().service(service("track", &[&stable], &[&canary])).start_admitted();
    let answer = visit(&stranger, &mut cookie.clone());
    assert!(answer.head.get("set-cookie").is_some(), "to it, this is a new visitor");
}

#[test]
fn balancers_on_one_redis_share_a_key_that_outlives_each_of_them() {
    let redis = Redis::start();
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let config =
        |name| redis.watched_by(Config::new().balancer(name)).service(service("track", &[&stable], &[&canary]));
    let (mut one, two) = (config("lb1").start_admitted(), config("lb2").start_admitted());
    let (_, mut cookie) = visitor_of(&one, &["canary"]);
    let stays = |balancer: &Coalmine, cookie: &mut Option<String>| {
        for _ in 0..6 {
            let again = visit(balancer, cookie);
            assert_eq!((again.text().as_str(), again.head.get("set-cookie")), ("canary", None));
        }
    };
    stays(&two, &mut cookie);
    one.process.signal("TERM");
    one.process.wait();
    stays(&config("lb1").start_admitted(), &mut cookie);
    assert!(!one.process.stderr.text().contains(&redis.cli(&["GET", "coalmine:affinity:key"])));
}

#[test]
fn a_forged_cookie_is_that_of_a_new_visitor() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = start(service("track", &[&stable], &[&canary]));
    let (_, cookie) = visitor_of(&coalmine, &["stable"]);
    let forged = cookie.unwrap().replace("=1.s.", "=1.c.");
    let long = format!("coalmine-web=1.c.{}", "0".repeat(4000));
    for bad in [forged.as_str(), "coalmine-web=", "coalmine-web=1.c", "coalmine-web=....", &long] {
        let answers: Vec<_> = (0..3).map(|_| visit(&coalmine, &mut Some(bad.to_owned()))).collect();
        assert!(answers.iter().all(|answer| answer.head.get("set-cookie").is_some()), "{bad}");
        assert_eq!(answers.iter().filter(|answer| answer.text() == "canary").count(), 1, "{bad}");
    }
}

#[test]
fn an_answer_of_the_balancer_itself_sets_no_cookie() {
    let refusing = Refusing::start();
    let service = Service::new("web").track("stable", 1, &[refusing.address]).key("affinity = \"track\"");
    let coalmine = Config::new().service(service).start();
    let response = coalmine.get("/");
    assert_eq!((response.status() / 100, response.head.get("set-cookie")), (5, None));
}

#[test]
fn a_retry_leaves_the_cookie_as_it_is() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    canary.on("/broken", Script::answer(500, "broken"));
    let coalmine = start(service("track", &[&stable], &[&canary]));
    let (_, mut cookie) = visitor_of(&coalmine, &["canary"]);
    let retried = visit_at(&coalmine, "/broken", &mut cookie);
    assert_eq!((retried.text().as_str(), retried.head.get("set-cookie")), ("stable", None));
    assert_eq!(visit(&coalmine, &mut cookie).text(), "canary");

    let answers: Vec<_> = (0..3).map(|_| visit_at(&coalmine, "/broken", &mut None)).collect();
    assert!(answers.iter().all(|answer| answer.text() == "stable"));
    let without = answers.iter().filter(|answer| answer.head.get("set-cookie").is_none());
    assert_eq!(without.count(), 1, "the one that was drawn for the canary stays a new visitor");
}

#[test]
fn who_is_sent_on_to_another_server_because_of_limits_is_kept_there() {
    let (one, two) = (Backend::start("one"), Backend::start("two"));
    let latch = Latch::shut();
    for backend in [&one, &two] {
        backend.on("/hold", Script::new().read_body().hold(&latch).send("HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n"));
    }
    let coalmine = start_stable(service("backend", &[&one, &two], &[]).table("limits", "requests = 1"), &[&one, &two]);
    let mut holding = coalmine.connect();
    holding.send(request("GET", "/hold", &[]));
    eventually("one is full", || one.count() + two.count() == 1);
    let free = if one.count() == 1 { "two" } else { "one" };
    let mut cookies = Vec::new();
    for _ in 0..4 {
        let mut cookie = None;
        eventually("the other has room", || visit(&coalmine, &mut cookie).text() == free);
        assert!(cookie.is_some());
        cookies.push(cookie);
    }
    latch.open();
    assert_eq!(holding.receive().status(), 200);
    for mut cookie in cookies {
        eventually("it has room", || coalmine.metric("coalmine_requests_in_flight", &[]) == 0.0);
        assert_eq!(visit(&coalmine, &mut cookie).text(), free);
    }
}

#[test]
fn a_visitor_whose_server_leaves_while_it_queues_is_like_any_other_elsewhere() {
    let (one, two, three) = (Backend::start("one"), Backend::start("two"), Backend::start("three"));
    let latch = Latch::shut();
    let all = [&one, &two, &three];
    for backend in all {
        backend.on("/hold", Script::new().read_body().hold(&latch).send("HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n"));
    }
    let limits = "requests = 1\nqueue = 1\nqueue_timeout = \"60s\"";
    let coalmine = start_stable(service("backend", &all, &[]).table("limits", limits), &all);
    let (home, cookie) = visitor_of(&coalmine, &["one", "two", "three"]);
    let cookie = format!("Cookie: {}", cookie.unwrap());
    let others: Vec<_> = all.into_iter().filter(|backend| backend.id != home).collect();
    eventually("it has room", || coalmine.metric("coalmine_requests_in_flight", &[]) == 0.0);
    let (mut holding, mut queued) = (coalmine.connect(), coalmine.connect());
    holding.send(request("GET", "/hold", &[&cookie]));
    eventually("its server is full", || coalmine.metric("coalmine_requests_in_flight", &[("backend", &home)]) == 1.0);
    queued.send(request("GET", "/x", &[&cookie]));
    eventually("it waits", || coalmine.metric("coalmine_queue_length", &[("backend", &home)]) == 1.0);
    for backend in &others {
        backend.on("/x", Script::answer(503, "broken"));
    }
    coalmine.ask("POST", &format!("/api/v1/services/web/backends/{home}/drain"));
    assert_eq!(queued.receive().status(), 503);
    let asked = others.iter().filter(|backend| backend.counts().contains_key("GET /x")).count();
    assert_eq!(asked, 2, "its server's status would have been for it alone, that of another is retried");
    latch.open();
    assert_eq!(holding.receive().status(), 200);
}

#[test]
fn a_visitor_of_a_server_gets_its_servers_status_and_a_new_one_gets_stables() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    canary.on("/broken", Script::answer(503, "broken"));
    let coalmine = start(service("backend", &[&stable], &[&canary]));
    let (_, mut cookie) = visitor_of(&coalmine, &["canary"]);
    let answer = visit_at(&coalmine, "/broken", &mut cookie);
    assert_eq!((answer.status(), answer.text().as_str()), (503, "broken"));
    assert_eq!(visit(&coalmine, &mut cookie).text(), "canary");
    for _ in 0..3 {
        assert_eq!(visit_at(&coalmine, "/broken", &mut None).text(), "stable");
    }
}

#[test]
fn a_service_without_affinity_sets_no_cookie_and_reads_none() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let (_, cookie) = visitor_of(&start(service("track", &[&stable], &[&canary])), &["canary"]);
    let coalmine = start(service("none", &[&stable], &[&canary]));
    let mut connection = coalmine.connect();
    let line = format!("Cookie: {}", cookie.unwrap());
    for expected in ["stable", "canary", "stable"] {
        connection.send(request("GET", "/", &[&line]));
        let response = connection.receive();
        assert_eq!((response.text().as_str(), response.head.get("set-cookie")), (expected, None));
    }
}
