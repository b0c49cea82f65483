//! Floods over HTTP/2 end the connection with the right GOAWAY, cost little memory, and leave other clients alone.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::coalmine::Coalmine;
use crate::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    block, frame, get_block,
};
use crate::support::http2::Http2;
use crate::support::{Backend, Config, Script, Service, eventually, for_a_while};

const ENHANCE_YOUR_CALM: u32 = 0xb;
/// What may be resident more than before, in KiB.
const MEMORY: u64 = 64 * 1024;
/// Frames that are sent at once, and how often.
const BATCH: u32 = 1000;
const BATCHES: u32 = 200;

#[test]
fn noise_is_answered_with_goaway() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let before = memory(&coalmine);
    let open = |client: &mut Frames| {
        let post = block(&[(":method", "POST"), (":scheme", "http"), (":authority", "test"), (":path", "/")]);
        client.send(HEADERS, END_HEADERS, 1, &post).unwrap();
    };
    for (n, (what, noise)) in [
        ("pings", frame(PING, 0, 0, &[0; 8])),
        ("settings", frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255])),
        ("empty data", frame(DATA, 0, 1, &[])),
        ("window updates", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
        ("priorities", frame(2, 0, 1, &[0, 0, 0, 0, 1])),
        ("unknown frames", frame(0x42, 0, 1, &[1])),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = Frames::open(coalmine.http, &[]);
        open(&mut client);
        assert_eq!(flood(client, |_| noise.clone()), Some(ENHANCE_YOUR_CALM), "{what}");
        eventually(what, || refused(&coalmine) == (n + 1) as f64);
    }
    assert!(memory(&coalmine) < before + MEMORY);
    assert_eq!(Http2::open(coalmine.http).get("/").text(), "a");
}

#[test]
fn who_floods_can_not_come_back_at_once() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let (ping, settings) = (frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]));
    for (what, noise) in [("pings", ping.repeat(2000)), ("settings", settings.repeat(200))] {
        let mut client = Frames::open(coalmine.http, &[]);
        client.raw(&noise).unwrap();
        assert_eq!(client.next_of(GOAWAY).map(|frame| frame.code()), Some(ENHANCE_YOUR_CALM), "{what}");
        assert!(client.is_kept_for(Duration::from_secs(2)), "{what}");
        assert_eq!(Http2::open(coalmine.http).get("/").text(), "a");
    }
    let left = || coalmine.metric("coalmine_client_connections", &[]) == 0.0;
    let (start, patience) = (Instant::now(), Duration::from_secs(60));
    while !left() {
        assert!(start.elapsed() < patience, "both are held for more than {patience:?}");
        for_a_while(Duration::from_millis(100));
    }
}

#[test]
fn rapid_resets_are_answered_with_goaway() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let client = Frames::open(coalmine.http, &[]);
    let block = get_block("/");
    let code = flood(client, |n| {
        let mut both = frame(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, &block);
        both.extend(frame(RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 8]));
        both
    });
    assert_eq!(code, Some(ENHANCE_YOUR_CALM));
    assert_eq!(refused(&coalmine), 1.0);
    assert!(backend.count() < 1000, "{} requests went through", backend.count());
    eventually("nothing is left", || coalmine.metric("coalmine_requests_in_flight", &[]) == 0.0);
}

#[test]
fn a_header_block_without_end_is_bounded() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let before = memory(&coalmine);
    // A field of 100 bytes that goes to no table, again and again.
    let fields = block(&[("x-long", &"y".repeat(100))]).repeat(100);
    for (what, part) in [("fields", fields), ("nothing", Vec::new())] {
        let mut client = Frames::open(coalmine.http, &[]);
        client.send(HEADERS, END_STREAM, 1, &get_block("/")).unwrap();
        let code = flood(client, |_| frame(CONTINUATION, 0, 1, &part));
        assert!(code.is_some_and(|code| code != 0), "{what}: {code:?}");
    }
    assert!(memory(&coalmine) < before + MEMORY);
    assert_eq!(backend.count(), 0);
}

#[test]
fn a_block_that_grows_when_it_is_decoded_is_refused() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let before = memory(&coalmine);
    for _ in 0..20 {
        let mut client = Frames::open(coalmine.http, &[]);
        // One field of 4000 bytes for the dynamic table, and then 10 000 references to it.
        let mut block = get_block("/");
        block.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
        block.extend([b'y'; 4000]);
        block.extend([0xbe; 10_000]);
        let _ = client.send(HEADERS, END_STREAM | END_HEADERS, 1, &block);
        // 431, a reset or GOAWAY.
        let refused = std::iter::from_fn(|| client.next()).find(|frame| {
            [RST_STREAM, GOAWAY].contains(&frame.kind) || (frame.kind == HEADERS && frame.payload[0] != 0x88)
        });
        assert!(refused.is_some());
    }
    assert!(memory(&coalmine) < before + MEMORY);
    assert_eq!(backend.count(), 0);
}

#[test]
fn clients_that_give_no_window_hold_little_and_not_for_long() {
    const MIB: u64 = 1024 * 1024;
    let backend = Backend::start("a");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 * MIB);
    backend.on("/big", Script::new().send(head).flood(64 * MIB).await_end());
    let service = Service::of("web", &[&backend], &[]).table("timeout", "idle = \"2s\"");
    let coalmine = Config::new().service(service).start();
    let before = memory(&coalmine);
    // SETTINGS_INITIAL_WINDOW_SIZE of one byte.
    let mut clients: Vec<_> = (0..2).map(|_| Frames::open(coalmine.http, &[0, 4, 0, 0, 0, 1])).collect();
    for client in &mut clients {
        for n in 0..50 {
            client.send(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, &get_block("/big")).unwrap();
        }
    }
    eventually("all are at the backend", || backend.count() == 100);
    for client in &mut clients {
        for _ in 0..50 {
            assert_eq!(client.next_of(RST_STREAM).unwrap().code(), 8, "CANCEL");
        }
    }
    // At most what is read at a time of each backend's answer.
    assert!(memory(&coalmine) < before + 100 * 512 + MEMORY);
    eventually("nothing is left", || coalmine.metric("coalmine_requests_in_flight", &[]) == 0.0);
    assert_eq!(Http2::open(coalmine.http).get("/").text(), "a");
}

#[test]
fn a_client_with_more_streams_than_allowed_is_refused_the_rest() {
    let backend = Backend::start("a");
    backend.on("/silent", Script::new().await_end());
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut client = Frames::open(coalmine.http, &[]);
    for n in 0..101 {
        client.send(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, &get_block("/silent")).unwrap();
    }
    let refused = client.next_of(RST_STREAM).unwrap();
    assert_eq!((refused.stream, refused.code()), (201, 7), "REFUSED_STREAM");
    eventually("the others are at the backend", || backend.count() == 100);
}

/// Sends the `n`th piece of a flood, for many `n`, until the connection ends. Gives the code of the GOAWAY that came.
fn flood(mut client: Frames, piece: impl Fn(u32) -> Vec<u8>) -> Option<u32> {
    let mut reader = client.reader();
    let answer = thread::spawn(move || {
        let code = reader.next_of(GOAWAY).map(|frame| frame.code());
        // The connection is held, and nobody reads from it: who waits to send more need not wait for its end.
        reader.leave();
        code
    });
    for batch in 0..BATCHES {
        let bytes: Vec<u8> = (batch * BATCH..(batch + 1) * BATCH).flat_map(&piece).collect();
        if client.raw(&bytes).is_err() || answer.is_finished() {
            break;
        }
    }
    answer.join().unwrap()
}

fn refused(coalmine: &Coalmine) -> f64 {
    coalmine.metric("coalmine_refused_total", &[("reason", "flood")])
}

/// Resident, in KiB.
fn memory(coalmine: &Coalmine) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", coalmine.process.pid())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches("kB").trim().parse().unwrap()
}
