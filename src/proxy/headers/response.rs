//! A response on its way to a client.

use http::header::VIA;
use http::{HeaderMap, Version};

use super::hop::{self, Found};
use super::request::via_value;

/// Takes hop-by-hop fields off a response and adds `Via`. `found` is what [`scan`](super::scan) found in `headers`,
/// `version` the version that the response came with.
pub fn forward_response(headers: &mut HeaderMap, found: &Found, version: Version, via: bool) {
    hop::strip(headers, found);
    if via {
        headers.append(VIA, via_value(version));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hop_by_hop_fields_of_a_response_go_and_via_is_added() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("connection", "close, x-hop"), ("x-hop", "1"), ("keep-alive", "5"), ("etag", "e")] {
            headers.insert(name, value.parse().unwrap());
        }
        headers.insert("transfer-encoding", "chunked".parse().unwrap());
        let found = hop::scan(&headers);
        forward_response(&mut headers, &found, Version::HTTP_11, true);
        assert_eq!(headers.len(), 2);
        assert_eq!((&headers["etag"], &headers["via"]), (&"e".parse().unwrap(), &"1.1 coalmine".parse().unwrap()));
    }
}
