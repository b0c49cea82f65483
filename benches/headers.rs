//! What a proxy does to the fields of a browser's request and of its answer.

use coalmine::model::Scheme;
use coalmine::proxy::headers::{Sender, forward_request, forward_response, introduce, scan};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Version};

const REQUEST: [(&str, &str); 10] = [
    ("host", "www.example.org"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://www.example.org/"),
    ("connection", "keep-alive"),
    ("cookie", "session=0123456789abcdef0123456789abcdef; theme=dark"),
    ("upgrade-insecure-requests", "1"),
    ("priority", "u=0, i"),
];

const RESPONSE: [(&str, &str); 7] = [
    ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ("server", "app"),
    ("content-type", "text/html; charset=utf-8"),
    ("content-length", "10240"),
    ("connection", "keep-alive"),
    ("cache-control", "no-store"),
    ("etag", "\"0123456789abcdef\""),
];

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let field =
        |(name, value): &(&'static str, &'static str)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    fields.iter().map(field).collect()
}

fn forward(c: &mut Criterion) {
    let sender = Sender::new([192, 0, 2, 7].into(), Scheme::Http, &[]);
    let friend = Sender::new([10, 1, 2, 3].into(), Scheme::Http, &["10.0.0.0/8".parse().expect("a network")]);
    let mut behind_proxy = headers(&REQUEST);
    behind_proxy.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.7"));
    behind_proxy.insert("x-forwarded-proto", HeaderValue::from_static("https"));

    let cases = [("a browser", &headers(&REQUEST), &sender), ("a trusted proxy", &behind_proxy, &friend)];
    for (name, fields, sender) in cases {
        c.bench_function(&format!("headers/request of {name}"), |b| {
            // The map is given back, so that dropping it is not measured.
            let forwarded = |mut fields: HeaderMap| {
                let mut found = scan(&fields);
                let origin = forward_request(&mut fields, &mut found, Version::HTTP_11, sender);
                introduce(&mut fields, &origin, sender, true);
                fields
            };
            b.iter_batched(|| fields.clone(), forwarded, BatchSize::SmallInput);
        });
    }
    let fields = headers(&RESPONSE);
    c.bench_function("headers/response", |b| {
        let forwarded = |mut fields: HeaderMap| {
            let found = scan(&fields);
            forward_response(&mut fields, &found, Version::HTTP_11, true);
            fields
        };
        b.iter_batched(|| fields.clone(), forwarded, BatchSize::SmallInput);
    });
}

criterion_group!(benches, forward);
criterion_main!(benches);
