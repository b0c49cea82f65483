//! HTTP/1.1 messages as they lie on the wire, taken piece by piece from a buffer; both ends of a test read with it.

/// The start line and the fields of a message, in the order and case in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) start: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    /// Takes a head from the front of `buffer` once it is there whole.
    pub(crate) fn take(buffer: &mut Vec<u8>) -> Option<Self> {
        let end = find(buffer, b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end + 4);
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        Some(Self { start, fields: lines.map(field).collect() })
    }

    /// The `n`th word of the start line.
    pub(crate) fn word(&self, n: usize) -> &str {
        self.start.split(' ').nth(n).unwrap_or_default()
    }

    /// The path of a request's target, without the query.
    pub(crate) fn path(&self) -> &str {
        self.word(1).split('?').next().unwrap_or_default()
    }

    /// The status of a response's head; 0 when there is none.
    pub(crate) fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or(0)
    }

    /// All values of a field, joined as a list.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let values = self.all(name);
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    fn is_chunked(&self) -> bool {
        self.get("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().ends_with("chunked"))
    }

    fn length(&self) -> Option<u64> {
        self.get("content-length").and_then(|length| length.parse().ok())
    }
}

/// A message's body, and how much of it is still to come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    rest: Rest,
}

#[derive(Clone, Copy, Debug, Default)]
enum Rest {
    #[default]
    Nothing,
    Bytes(u64),
    UntilClose,
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
}

impl Body {
    pub(crate) fn of_request(head: &Head) -> Self {
        Self::framed(if head.is_chunked() { Rest::ChunkSize } else { Rest::Bytes(head.length().unwrap_or(0)) })
    }

    /// `bodiless`: the response answers a `HEAD`.
    pub(crate) fn of_response(head: &Head, bodiless: bool) -> Self {
        let status = head.status();
        Self::framed(if bodiless || (100..200).contains(&status) || status == 204 || status == 304 {
            Rest::Nothing
        } else if head.is_chunked() {
            Rest::ChunkSize
        } else {
            head.length().map_or(Rest::UntilClose, Rest::Bytes)
        })
    }

    fn framed(rest: Rest) -> Self {
        Self { rest, ..Self::default() }
    }

    /// Moves what belongs to the body from the front of `buffer` to it. True when the body is complete.
    pub(crate) fn take(&mut self, buffer: &mut Vec<u8>) -> bool {
        loop {
            match self.rest {
                Rest::Nothing | Rest::Bytes(0) => return true,
                Rest::UntilClose => {
                    self.bytes.append(buffer);
                    return false;
                }
                Rest::Bytes(left) | Rest::Chunk(left) => {
                    let part = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                    self.bytes.extend(buffer.drain(..part));
                    let left = left - part as u64;
                    match self.rest {
                        Rest::Chunk(_) if left == 0 => self.rest = Rest::ChunkEnd,
                        Rest::Chunk(_) => self.rest = Rest::Chunk(left),
                        _ => self.rest = Rest::Bytes(left),
                    }
                    if left > 0 {
                        return false;
                    }
                }
                Rest::ChunkSize | Rest::ChunkEnd | Rest::Trailers => {
                    let Some(line) = take_line(buffer) else { return false };
                    self.chunk_line(&line);
                }
            }
        }
    }

    /// The connection ended. True when that is how this body is told to end.
    pub(crate) fn ended_by_close(&self) -> bool {
        matches!(self.rest, Rest::Nothing | Rest::UntilClose | Rest::Bytes(0))
    }

    fn chunk_line(&mut self, line: &str) {
        self.rest = match self.rest {
            Rest::ChunkSize => {
                let size = line.split(';').next().unwrap_or_default().trim();
                match u64::from_str_radix(size, 16).unwrap_or_else(|_| panic!("not a chunk size: `{line}`")) {
                    0 => Rest::Trailers,
                    size => Rest::Chunk(size),
                }
            }
            Rest::ChunkEnd => Rest::ChunkSize,
            _ if line.is_empty() => Rest::Nothing,
            _ => {
                self.trailers.push(field(line));
                Rest::Trailers
            }
        };
    }
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (name.to_owned(), value.trim().to_owned())
}

fn take_line(buffer: &mut Vec<u8>) -> Option<String> {
    let end = find(buffer, b"\r\n")?;
    let line = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.drain(..end + 2);
    Some(line)
}

fn find(buffer: &[u8], needle: &[u8]) -> Option<usize> {
    buffer.windows(needle.len()).position(|window| window == needle)
}

#[test]
fn a_message_is_the_same_however_it_is_cut() {
    let wire = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\nrest";
    let mut buffer = Vec::new();
    let mut head: Option<Head> = None;
    let mut body = Body::default();
    for byte in wire {
        buffer.push(*byte);
        if head.is_none() {
            head = Head::take(&mut buffer);
            body = head.as_ref().map(Body::of_request).unwrap_or_default();
        } else if body.take(&mut buffer) && body.bytes.len() == 5 {
            continue;
        }
    }
    let head = head.unwrap();
    assert_eq!((head.word(0), head.word(1), head.get("HOST").as_deref()), ("POST", "/x", Some("a")));
    assert_eq!(body.bytes, b"abcde");
    assert_eq!(body.trailers, [("T".to_owned(), "1".to_owned())]);
    assert_eq!(buffer, b"rest");
}
