//! How a request shows that it comes from here, and when.

use std::fmt::Write;

use aws_lc_rs::hmac;

use crate::model::Secret;

/// The value of `X-Coalmine-Signature`: HMAC-SHA256 over `<timestamp>.<nonce>.<body>`.
pub(super) fn signature(secret: &Secret, timestamp: u64, nonce: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{timestamp}.{nonce}.").as_bytes());
    context.update(body);
    let tag = context.sign();
    tag.as_ref().iter().fold(String::from("sha256="), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_other_programs() {
        // printf '1700000000.abc.{}' | openssl dgst -sha256 -hmac hunter2
        let secret = Secret::new("hunter2".to_owned());
        let signed = signature(&secret, 1_700_000_000, "abc", b"{}");
        assert_eq!(signed, "sha256=87aa494567bcf2ca3c1ea63ff18777f99b999c7c5c248141c73da2a6a74ae8f0");
        assert_ne!(signature(&secret, 1_700_000_001, "abc", b"{}"), signed);
    }
}
