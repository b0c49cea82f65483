use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n";

/// Requests that have one meaning.
fn good() -> Vec<String> {
    [
        "\r\n",
        "Cookie: a\r\nContent-Type: x\r\nConnection: close\r\nTE: trailers\r\nTransfer: x\r\n\r\n",
        "Content-Length: 0\r\n\r\n",
        "content-LENGTH:3 \t\r\nX: y\r\n\r\na\nb",
        "Content-Length: \t0000012\r\n\r\n\r\n\0\nGET / HT",
        "Content-Length-X: -1\r\nContent-Lengt: x\r\nX-Content-Length: 9\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "TRANSFER-encoding:\tChunkeD\t \r\nY: z\r\n\r\n3\r\n\n\n\n\r\n00a\r\n0123456789\r\n0\r\nX: y\r\nZ:\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1 \t; a=\"b;c\";d \r\nx\r\nA;\r\n0123456789\r\n0;end\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n000000000000000F\r\n0123456789abcde\r\n0000000000000000\r\n\r\n",
    ]
    .map(|rest| format!("{GET}{rest}"))
    .into_iter()
    .chain(["\r\n\r\nGET / HTTP/1.0\r\n\r\n".to_owned()])
    .collect()
}

/// Rests of a request that has more than one meaning, or none; `!` stands before the byte that makes it so.
const BAD: &[&str] = &[
    // Lines that end with LF alone.
    "X: y!\n\r\n",
    "!\n",
    "X: y\r\n!\n",
    "content-length: 1!\n\r\nx",
    "transfer-encoding: chunked!\n\r\n0\r\n\r\n",
    "c!\n\r\n",
    "\r!\r\n",
    // Both, or one of them twice.
    "Content-Length: 3\r\nTransfer-Encoding!: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\ncontent-length!: 3\r\n\r\n0\r\n\r\n",
    "Content-Length: 3\r\nContent-Length!: 3\r\n\r\nabc",
    "Content-Length: 3\r\nContent-Length!: 4\r\n\r\nabc",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding!: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding!: identity\r\n\r\n0\r\n\r\n",
    // Lengths.
    "Content-Length:!\r\n\r\n",
    "Content-Length: !+3\r\n\r\nabc",
    "Content-Length: !-3\r\n\r\nabc",
    "Content-Length: 0!x3\r\n\r\nabc",
    "Content-Length: 3!, 3\r\n\r\nabc",
    "Content-Length: 3 !3\r\n\r\nabc",
    "Content-Length: 3!.0\r\n\r\nabc",
    "Content-Length: !\"3\"\r\n\r\nabc",
    "Content-Length: 3!\0\r\n\r\nabc",
    "Content-Length: 3!\u{b}\r\n\r\nabc",
    "Content-Length: 3\r!\r\n\r\nabc",
    "Content-Length: 922337203685477580!8\r\n\r\n",
    "Content-Length: 1844674407370955161!9\r\n\r\n",
    // Codings.
    "Transfer-Encoding: !gzip, chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked!, gzip\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked!, chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked!, identity\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: !identity\r\n\r\n",
    "Transfer-Encoding: !, chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: !xchunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked!x\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunke!\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: !\u{b}chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked!;q=1\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding:!\r\n chunked\r\n\r\n0\r\n\r\n",
];

/// The same for what follows `Transfer-Encoding: chunked`.
const BAD_CHUNKS: &[&str] = &[
    "!\r\n",
    "!\n",
    "! 3\r\nabc\r\n0\r\n\r\n",
    "!-1\r\n",
    "!+3\r\nabc\r\n0\r\n\r\n",
    "0!x3\r\nabc\r\n0\r\n\r\n",
    "!g\r\n",
    "3!\nabc\r\n0\r\n\r\n",
    "3\r!abc\r\n0\r\n\r\n",
    "3\r!\r\nabc\r\n0\r\n\r\n",
    "3 !\r\nabc\r\n0\r\n\r\n",
    "3 !3\r\nabc\r\n0\r\n\r\n",
    "3!_\r\nabc\r\n0\r\n\r\n",
    "3!\0\r\nabc\r\n0\r\n\r\n",
    "!;a\r\nabc\r\n0\r\n\r\n",
    "0000000000000000!3\r\nabc\r\n0\r\n\r\n",
    "800000000000000!0\r\n",
    "FFFFFFFFFFFFFFF!F\r\n",
    "1000000000000000!0\r\n",
    "3;a!\nabc\r\n0\r\n\r\n",
    "3;a\r!b\r\nabc\r\n0\r\n\r\n",
    "3;a!\0\r\nabc\r\n0\r\n\r\n",
    "3;a!\u{7f}\r\nabc\r\n0\r\n\r\n",
    "3\r\nabc!0\r\n\r\n",
    "3\r\nabc!\n0\r\n\r\n",
    "3\r\nabc\r!0\r\n\r\n",
    "3\r\nabc!d\r\n0\r\n\r\n",
    "3\r\nabc\r\n!\r\n0\r\n\r\n",
    "0!\n\r\n",
    "0\r\n!\n",
    "0\r\n\r!x",
    "0\r\n\r!\r\n",
    "0\r\nX: y!\n\r\n",
    "0\r\nX: y\r\nb!\n\r\n",
    "0\r\n!: y\r\n\r\n",
    "0\r\n! X: y\r\n\r\n",
    "0\r\nX! : y\r\n\r\n",
    "0\r\nX: y!\0\r\n\r\n",
    "0\r\nX: y\r!z\r\n\r\n",
    "0\r\nX: y\r\n!\tz\r\n\r\n",
];

fn bad() -> Vec<(Vec<u8>, usize)> {
    let chunks = BAD_CHUNKS.iter().map(|rest| format!("{GET}Transfer-Encoding: chunked\r\n\r\n{rest}"));
    let long = format!("{GET}Transfer-Encoding: chunked\r\n\r\n3;{}!x\r\nabc\r\n0\r\n\r\n", "x".repeat(256));
    let alone = ["!\nGET / HTTP/1.1\r\n\r\n", "\r!GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1!\n\r\n"].map(str::to_owned);
    let heads = BAD.iter().map(|rest| format!("{GET}{rest}"));
    let marked = heads.chain(chunks).chain(alone).chain([long]);
    marked.map(|text| (text.replace('!', "").into_bytes(), text.find('!').unwrap())).collect()
}

/// The place of the violation, however the bytes come.
fn scanned(bytes: &[u8]) -> Result<Scanner, Violation> {
    let whole = scanned_at_once(bytes);
    for split in 0..=bytes.len() {
        assert_eq!(scanned_in(&[&bytes[..split], &bytes[split..]]), whole, "split at {split}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(scanned_in(&single), whole, "byte by byte");
    whole
}

fn scanned_at_once(bytes: &[u8]) -> Result<Scanner, Violation> {
    scanned_in(&[bytes])
}

fn scanned_in(pieces: &[&[u8]]) -> Result<Scanner, Violation> {
    let mut scanner = Scanner::default();
    let mut before = 0;
    for piece in pieces {
        scanner.scan(piece).map_err(|Violation { at }| Violation { at: before + at })?;
        before += piece.len();
    }
    Ok(scanner)
}

#[test]
fn what_has_one_meaning_passes_in_pieces_of_any_size() {
    for text in good() {
        let scanner = scanned(text.as_bytes()).unwrap_or_else(|violation| panic!("{violation:?} in {text:?}"));
        assert!(scanner.is_between_messages(), "{text:?}");
        for end in 1..text.len() {
            let blank = text[..end].bytes().all(|byte| byte == b'\r' || byte == b'\n');
            assert!(
                blank || !scanned_at_once(&text.as_bytes()[..end]).unwrap().is_between_messages(),
                "{end} {text:?}"
            );
        }
    }
    let pipelined = scanned(good().concat().as_bytes()).map(|scanner| scanner.read());
    assert_eq!(pipelined, Ok(Some(good().len() as u64)));
}

#[test]
fn what_has_not_one_meaning_is_a_violation_at_the_first_byte_that_makes_it_so() {
    for (bytes, at) in bad() {
        assert_eq!(scanned(&bytes), Err(Violation { at }), "{:?}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_violation_is_found_behind_other_requests() {
    let before: Vec<u8> = good().concat().into_bytes();
    for (bytes, at) in bad() {
        assert_eq!(scanned_at_once(&[&before[..], &bytes].concat()), Err(Violation { at: before.len() + at }));
    }
}

#[tokio::test]
async fn the_parser_refuses_a_head_from_the_violation_on_and_answers_what_came_before() {
    for (bytes, at) in bad() {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let in_head = !bytes[..at].windows(4).any(|window| window == b"\r\n\r\n");
        // In one piece, and so that the violation comes alone.
        for pieces in [vec![&bytes[..]], vec![&bytes[..at], &bytes[at..]]] {
            let pieces = [vec![&b"GET /first HTTP/1.1\r\n\r\n"[..]], pieces].concat();
            let (heard, answers) = served(&pieces, true).await;
            let statuses: Vec<_> = answers.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).collect();
            assert_eq!(heard[0], ("/first".into(), Some(Vec::new())), "{text:?}");
            if in_head {
                assert_eq!(statuses, ["200 OK", "400 Bad Request"], "{text:?}");
                assert_eq!(heard.len(), 1, "{text:?}");
            } else {
                assert_eq!(heard[1..], [("/".into(), None)], "a broken body: {text:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_the_same_in_any_pieces(bytes in noise(), cuts in prop::collection::vec(0..200_usize, 0..5)) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(scanned_in(&pieces), scanned_at_once(&bytes));
    }

    #[test]
    fn what_passes_is_divided_into_the_same_messages_as_by_the_parser(bytes in noise()) {
        let Some(messages) = divided(&bytes) else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut each = Vec::new();
        for message in messages {
            let (heard, _) = runtime.block_on(served(&[message], false));
            prop_assert!(heard.len() <= 1, "{:?} in {:?}", heard, String::from_utf8_lossy(message));
            let refused = heard.iter().all(|(_, body)| body.is_none());
            each.extend(heard);
            // In the old version the connection ends with the answer.
            if refused || message.windows(8).any(|window| window == b"HTTP/1.0") {
                break;
            }
        }
        let (all, _) = runtime.block_on(served(&[&bytes], false));
        prop_assert_eq!(all, each);
    }
}

/// The whole messages at the beginning of `bytes`, as the scanner sees them. `None` after a violation.
fn divided(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut scanner, mut messages, mut start) = (Scanner::default(), Vec::new(), 0);
    for (at, byte) in bytes.iter().enumerate() {
        scanner.scan(&[*byte]).ok()?;
        let message = &bytes[start..=at];
        if scanner.is_between_messages() && !message.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            messages.push(message);
            start = at + 1;
        }
    }
    (start == bytes.len()).then_some(messages)
}

/// Good requests with a few bytes of them changed, and pieces in any order.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let kept: Vec<String> =
        good().into_iter().filter(|text| !text.contains("close") && !text.contains("1.0")).collect();
    let edit = (any::<prop::sample::Index>(), 0..2_usize, prop::sample::select(BYTES));
    let edited = (prop::collection::vec(prop::sample::select(kept), 1..4), prop::collection::vec(edit, 0..3));
    let edited = edited.prop_map(|(messages, edits)| {
        let mut bytes = messages.concat().into_bytes();
        for (place, removed, put) in edits {
            let at = place.index(bytes.len());
            bytes.splice(at..at + removed, put.iter().copied());
        }
        bytes
    });
    let pieces = prop::collection::vec(prop::sample::select(PIECES), 0..12);
    prop_oneof![3 => edited, 1 => pieces.prop_map(|pieces| pieces.concat().into_bytes())]
}

const BYTES: &[&[u8]] = &[b"", b"\r", b"\n", b"\r\n", b" ", b"\t", b"\0", b":", b";", b",", b"0", b"3", b"a", b"\xff"];
const PIECES: &[&str] = &[
    "\r\n",
    "\r\n\r\n",
    "GET / HTTP/1.1\r\n",
    "GET /a HTTP/1.1\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "Content-Length: 3\r\n",
    "Content-Length: 3\r\n\r\nabc",
    "Transfer-Encoding: chunked\r\n",
    "3\r\nabc\r\n",
    "0\r\n\r\n",
    "0\r\nX: y\r\n\r\n",
    "X: y\r\n",
];

/// What a server hears of these pieces of a connection, each read by itself: targets, and bodies unless they broke off.
/// And what it answers.
async fn served(pieces: &[&[u8]], guarded: bool) -> (Vec<(String, Option<Vec<u8>>)>, String) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (mut client, server) = tokio::io::duplex(1 << 16);
    let service = service_fn(|request: Request<Incoming>| {
        let heard = heard.clone();
        async move {
            let target = request.uri().to_string();
            let body = request.into_body().collect().await.ok().map(|body| body.to_bytes().to_vec());
            heard.lock().unwrap().push((target, body));
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let serving = async {
        // An error is what a refused request ends with.
        if guarded {
            let io = TokioIo::new(Guarded::new(server, Arc::default(), 1 << 16));
            let _ = http1::Builder::new().serve_connection(io, service).await;
        } else {
            let _ = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(server), service).await;
        }
    };
    let asking = async {
        for piece in pieces {
            client.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        }
        if !guarded {
            client.shutdown().await.unwrap();
        }
        let mut answers = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut client, &mut answers).await.unwrap();
        String::from_utf8_lossy(&answers).into_owned()
    };
    let ((), answers) = tokio::join!(serving, asking);
    let heard = heard.lock().unwrap().clone();
    (heard, answers)
}

/// What the parser reads of these pieces, each of which comes by itself, and then the end.
async fn parser_reads(pieces: &[&[u8]], limit: usize) -> (Vec<Vec<u8>>, Option<io::ErrorKind>, Arc<Post>) {
    let post = Arc::new(Post::default());
    let (mut client, server) = tokio::io::duplex(1 << 16);
    let mut guarded = Guarded::new(server, post.clone(), limit);
    let mut reads = Vec::new();
    let mut buffer = [0; 64];
    let mut pieces = pieces.iter();
    loop {
        let read = tokio::io::AsyncReadExt::read(&mut guarded, &mut buffer);
        match futures_util::FutureExt::now_or_never(read) {
            None => match pieces.next() {
                Some(piece) => client.write_all(piece).await.unwrap(),
                None => client.shutdown().await.unwrap(),
            },
            Some(Ok(0)) => return (reads, None, post),
            Some(Ok(length)) => reads.push(buffer[..length].to_vec()),
            Some(Err(error)) => return (reads, Some(error.kind()), post),
        }
    }
}

#[tokio::test]
async fn the_later_pieces_of_a_head_come_when_it_is_whole() {
    let long = format!("{GET}X: {}\r\n\r\n", "x".repeat(200)).into_bytes();
    let next = b"GET /next HTTP/1.1\r\n";
    let last = [&long[100..], next].concat();
    let pieces = [&long[..10], &long[10..50], &long[50..100], &last, b"Host: a\r\n", b"\r\n", b"GET"];
    let (reads, error, post) = parser_reads(&pieces, 1000).await;
    assert_eq!(reads[0], long[..10], "the first piece comes at once");
    let all = pieces.concat();
    assert_eq!(reads.concat(), all);
    let whole = [&long[10..], next].concat();
    assert_eq!(reads[1..5].concat(), whole, "as large as the parser likes");
    assert!(reads[1..4].iter().all(|read| read.len() == 64));
    assert_eq!(reads[5..], [b"Host: a\r\n\r\n".to_vec(), b"GET".to_vec()], "the next head began with it");
    assert_eq!((error, post.is_violated(), post.is_overlong()), (None, false, false));
}

#[tokio::test]
async fn the_end_of_a_head_is_seen_wherever_it_is_cut() {
    let head = format!("{GET}X: y\r\n\r\n").into_bytes();
    let all = [&head[..], b"GET / HTTP/1.1\r\nX"].concat();
    for cut in 2..all.len() {
        let (reads, ..) = parser_reads(&[&all[..1], &all[1..cut], &all[cut..]], 1000).await;
        assert_eq!(reads.concat(), all, "{cut}");
        // Neither a part of the first head behind its first byte, nor the whole of it and then a wait for the second's.
        assert_eq!(reads.len(), if cut < head.len() { 2 } else { 3 }, "{cut}");
    }
}

#[tokio::test]
async fn of_a_head_that_breaks_off_all_is_given() {
    let (reads, error, _) = parser_reads(&[b"GET / HT", b"TP/1.1\r\n", b"Host: "], 1000).await;
    assert_eq!((reads, error), (vec![b"GET / HT".to_vec(), b"TP/1.1\r\nHost: ".to_vec()], None));
}

#[tokio::test]
async fn a_head_that_does_not_end_is_an_error_and_takes_no_more_room_than_it_may() {
    for (first, later) in [("GET / HTTP/1.1\r\nX", "xxxxxxxxxx"), ("GET /", "x"), ("GET / HTTP/1.1\r\n", "X: x\r\n")] {
        let pieces: Vec<_> = [first].into_iter().chain(std::iter::repeat_n(later, 200)).map(str::as_bytes).collect();
        let (reads, error, post) = parser_reads(&pieces, 100).await;
        assert_eq!((reads, error), (vec![first.as_bytes().to_vec()], Some(io::ErrorKind::InvalidData)), "{first:?}");
        assert!(post.is_overlong() && !post.is_violated());
    }
}

#[tokio::test]
async fn a_violation_in_a_later_piece_is_poison_behind_what_was_held() {
    let pieces = [&b"GET / HTTP/1.1\r\n"[..], b"Host: a\r\n", b"X: y\n\r\n"];
    let (reads, error, post) = parser_reads(&pieces, 1000).await;
    assert_eq!(reads.concat(), [&b"GET / HTTP/1.1\r\nHost: a\r\nX: y"[..], POISON].concat());
    assert!(error.is_none() && post.is_violated());
}

#[test]
fn another_protocol_has_three_words_and_no_version() {
    for foreign in ["INVALID CONNECTION PREFACE\r\n\r\n", "SSH 2.0 x\r\n", "PRI * H2\r\n\r\n", "a b c\n"] {
        assert!(is_foreign(foreign.as_bytes()), "{foreign:?}");
    }
    for http in ["GET / HTTP/1.1\r\n", "GET / HTTP/9\r\n", "GET / http/1.1 \r\n", "GET /\r\n", "\r\n", "a b c"] {
        assert!(!is_foreign(http.as_bytes()), "{http:?}");
    }
    for unclear in ["GET  / HTTP/1.1\n", "GET / HTTP/1.1\rHost: a\r\n", "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"] {
        assert!(!is_foreign(unclear.as_bytes()), "{unclear:?}");
    }
}

#[tokio::test]
async fn a_request_is_exhausted_when_it_was_read_whole_and_nothing_behind_it() {
    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
    let pieces = |parts: [&str; 2]| parts.concat();
    for (text, exhausted) in [
        (pieces([GET, ""]), true),
        (pieces([GET, GET]), false),
        (pieces([GET, "G"]), false),
        (pieces([POST, "ab"]), false),
        (pieces([POST, "abc"]), true),
    ] {
        let post = Arc::new(Post::default());
        let mut io = Guarded::new(text.as_bytes(), post.clone(), 1 << 16);
        post.take_up();
        io.read_exact(&mut vec![0; text.len()]).await.unwrap();
        assert_eq!(post.is_exhausted(), exhausted, "{text:?}");
    }
}
