//! Frames as bytes, RFC 9113 section 6. Nothing stops a caller from writing what the protocol forbids.

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length of a frame's header.
pub(crate) const HEADER: usize = 9;
/// The longest payload that a peer must take.
pub(crate) const LONGEST: usize = 16_384;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
/// The error code of a client that lost interest.
pub(crate) const CANCEL: u32 = 8;

/// Appends a frame.
pub(crate) fn push(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    out.extend_from_slice(&length[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

pub(crate) fn push_settings(out: &mut Vec<u8>, settings: &[(u16, u32)]) {
    let pairs = settings.iter().flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()[..]].concat());
    push(out, SETTINGS, 0, 0, &pairs.collect::<Vec<_>>());
}

pub(crate) fn push_window(out: &mut Vec<u8>, stream: u32, increment: u32) {
    push(out, WINDOW_UPDATE, 0, stream, &increment.to_be_bytes());
}

/// What a client opens a connection with.
pub(crate) fn opening(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut out = PREFACE.to_vec();
    push_settings(&mut out, settings);
    out
}

/// The first frame of `bytes`: kind, flags and whole length; `None`: it has not all arrived.
pub(crate) fn first(bytes: &[u8]) -> Option<(u8, u8, usize)> {
    let header = bytes.get(..HEADER)?;
    let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
    (bytes.len() >= HEADER + length).then_some((header[3], header[4], HEADER + length))
}
