//! The strict cases of h2spec, and what its newer cases have and the packaged ones have not.

use super::Stage;
use crate::support::clients::{Conformance, h2spec};
use crate::support::frames::{END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, get_block};
use crate::support::{Backend, Config, Script};

const PROTOCOL_ERROR: u32 = 1;
const COMPRESSION_ERROR: u32 = 9;

#[test]
fn h2spec_finds_nothing_over_plain_text() {
    let (_backend, stage) = before_a_page();
    assert_all_pass(&h2spec(stage.http(), &[]));
}

#[test]
fn h2spec_finds_nothing_over_tls() {
    let (_backend, stage) = before_a_page();
    assert_all_pass(&h2spec(stage.https(), &["--tls", "--insecure"]));
}

/// RFC 7541, 2.3.3: an index beyond both tables is an error, whichever way it is used. The parser in use calls it
/// PROTOCOL_ERROR.
#[test]
fn an_index_beyond_the_tables_ends_the_connection() {
    let backend = Backend::start("a");
    let stage = Stage::start(Config::of(&[&backend], &[]));
    let indexed: &[u8] = &[0xc6];
    let name_with_indexing: &[u8] = &[0x7f, 0x07, 0x00];
    let name_without_indexing: &[u8] = &[0x0f, 0x37, 0x00];
    for field in [indexed, name_with_indexing, name_without_indexing] {
        let mut client = Frames::open(stage.http(), &[]);
        let block = [get_block("/"), field.to_vec()].concat();
        client.send(HEADERS, END_STREAM | END_HEADERS, 1, &block).unwrap();
        let goaway = client.next_of(GOAWAY).expect("it is told why");
        assert!([PROTOCOL_ERROR, COMPRESSION_ERROR].contains(&goaway.code()), "{field:x?}: {goaway:?}");
        assert!(client.next_of(HEADERS).is_none(), "and then the connection ends");
    }
    assert_eq!(backend.count(), 0);
}

/// A page that is long enough for the cases of flow control.
fn before_a_page() -> (Backend, Stage) {
    let backend = Backend::start("a");
    backend.on("", Script::answer(200, &"page".repeat(1000)));
    let stage = Stage::start(Config::of(&[&backend], &[]));
    (backend, stage)
}

#[track_caller]
fn assert_all_pass(found: &Conformance) {
    assert!(found.cases >= 146 && found.passed == found.cases, "{found:?}");
}
