//! What a backend says, prepared beforehand, by the path that is asked for.

#[derive(Debug)]
pub(super) struct Answers {
    small: Vec<u8>,
    ten_kib: Vec<u8>,
    hundred_kib: Vec<u8>,
    one_mib: Vec<u8>,
}

impl Answers {
    pub(super) fn prepare() -> Self {
        Self {
            small: answer(13),
            ten_kib: answer(10 * 1024),
            hundred_kib: answer(100 * 1024),
            one_mib: answer(1024 * 1024),
        }
    }

    pub(super) fn to(&self, path: &[u8]) -> &[u8] {
        match path {
            b"/10k" => &self.ten_kib,
            b"/100k" => &self.hundred_kib,
            b"/1m" => &self.one_mib,
            _ => &self.small,
        }
    }
}

fn answer(length: usize) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nserver: bench\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
         content-type: text/plain\r\ncontent-length: {length}\r\n\r\n"
    )
    .into_bytes();
    bytes.resize(bytes.len() + length, b'x');
    bytes
}
