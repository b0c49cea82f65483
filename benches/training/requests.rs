//! Requests as browsers and programs make them, drawn from a seed.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_TYPE, COOKIE, HOST, IF_NONE_MATCH, REFERER,
    USER_AGENT,
};
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;

static BROWSER: [(HeaderName, &str); 7] = [
    (USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (ACCEPT_LANGUAGE, "en-US,en;q=0.5"),
    (ACCEPT_ENCODING, "gzip, deflate, br, zstd"),
    (REFERER, "http://localhost/start?from=elsewhere"),
    (CACHE_CONTROL, "max-age=0"),
    (IF_NONE_MATCH, "\"5f3a-61c2b8d4\""),
];
static PROGRAM: [(HeaderName, &str); 2] = [(USER_AGENT, "curl/8.14.1"), (ACCEPT, "*/*")];
static SERVICE: [(HeaderName, &str); 3] = [
    (USER_AGENT, "orders/2.3"),
    (ACCEPT, "application/json"),
    (HeaderName::from_static("x-request-id"), "b1946ac9-2f4c-4b7e-9d3a-0c5a7e1f6d28"),
];

pub(crate) fn http1(
    random: &mut fastrand::Rng,
    address: SocketAddr,
    cookie: Option<&HeaderValue>,
) -> Request<Full<Bytes>> {
    let mut request = request(random, cookie, |path| path.to_owned());
    let host = HeaderValue::try_from(address.to_string()).expect("an address is a valid field value");
    request.headers_mut().insert(HOST, host);
    request
}

pub(crate) fn http2(
    random: &mut fastrand::Rng,
    address: SocketAddr,
    tls: bool,
    cookie: Option<&HeaderValue>,
) -> Request<Full<Bytes>> {
    let scheme = if tls { "https" } else { "http" };
    request(random, cookie, |path| format!("{scheme}://{address}{path}"))
}

fn request(
    random: &mut fastrand::Rng,
    cookie: Option<&HeaderValue>,
    target: impl Fn(&str) -> String,
) -> Request<Full<Bytes>> {
    let (method, path, body) = match random.u32(0..1000) {
        0..500 => (Method::GET, "/", 0),
        500..700 => (Method::GET, "/api/v1/orders?page=3&sort=date", 0),
        700..850 => (Method::GET, "/10k", 0),
        850..900 => (Method::GET, "/100k", 0),
        900..903 => (Method::GET, "/1m", 0),
        903..970 => (Method::POST, "/api/v1/orders", random.usize(10..4000)),
        970..995 => (Method::POST, "/files/report.pdf", random.usize(4000..60_000)),
        _ => (Method::POST, "/files", random.usize(60_000..500_000)),
    };
    let fields = random.choice([&BROWSER[..], &PROGRAM, &SERVICE]).expect("three kinds");
    let mut request = Request::new(Full::new(Bytes::from(vec![b'x'; body])));
    *request.method_mut() = method;
    *request.uri_mut() = target(path).parse().expect("a constant path is valid");
    for (name, value) in fields {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if body > 0 {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(cookie) = cookie {
        request.headers_mut().insert(COOKIE, cookie.clone());
    }
    request
}
