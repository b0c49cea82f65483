//! Header blocks, RFC 7541, without Huffman codes.

/// The first entry of the dynamic table, as an indexed field.
pub(crate) const NEWEST: u8 = 0x80 | 62;

/// `GET path`, with the authority put into the dynamic table.
pub(crate) fn get(path: &str, authority: &str) -> Vec<u8> {
    let mut out = vec![0x82, 0x86]; // :method GET, :scheme http
    push_path(&mut out, path);
    push_authority(&mut out, authority);
    out
}

/// `GET path` to the authority that is the newest entry of the dynamic table.
pub(crate) fn get_again(path: &str) -> Vec<u8> {
    let mut out = vec![0x82, 0x86];
    push_path(&mut out, path);
    out.push(NEWEST);
    out
}

/// `POST path` with a length that is promised.
pub(crate) fn post(path: &str, authority: &str, length: usize) -> Vec<u8> {
    let mut out = vec![0x83, 0x86]; // :method POST, :scheme http
    push_path(&mut out, path);
    push_authority(&mut out, authority);
    push_literal(&mut out, "content-length", &length.to_string());
    out
}

/// A field that is not put into the dynamic table, with a literal name.
pub(crate) fn push_literal(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(0);
    push_text(out, name);
    push_text(out, value);
}

/// A field that becomes the newest entry of the dynamic table.
pub(crate) fn push_indexed(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(0x40);
    push_text(out, name);
    push_text(out, value);
}

fn push_path(out: &mut Vec<u8>, path: &str) {
    if path == "/" {
        out.push(0x84);
    } else {
        out.push(0x04); // without indexing, name 4
        push_text(out, path);
    }
}

fn push_authority(out: &mut Vec<u8>, authority: &str) {
    out.push(0x41); // with indexing, name 1
    push_text(out, authority);
}

/// A string: its length as an integer with a prefix of 7 bits, then its bytes.
fn push_text(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.len();
    if rest < 127 {
        out.push(u8::try_from(rest).unwrap_or(0));
    } else {
        out.push(127);
        rest -= 127;
        while rest >= 128 {
            out.push(0x80 | (rest & 0x7f) as u8);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
    out.extend_from_slice(text.as_bytes());
}
