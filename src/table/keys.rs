//! The keys that sign what visitors carry.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::rand;

use crate::model::Secret;

/// Keys that still verify what they signed before others came in their place. Who changes them more often than a
/// visitor comes back loses that visitor.
const OLDER: usize = 4;
/// Bytes of a signature: HMAC-SHA256, cut to half its length (RFC 2104, 5).
pub(super) const SIGNATURE: usize = 16;

/// The first key signs, all of them verify, so that a key can be changed without losing a visitor: the new one is put
/// before the old one. Balancers with the same keys believe each other.
#[derive(Debug)]
pub struct Keys {
    first: hmac::Key,
    older: Vec<hmac::Key>,
    /// The texts of all, the first first.
    secrets: Vec<Secret>,
}

impl Keys {
    /// An empty list stands for one random key.
    pub fn new(secrets: Vec<Secret>) -> Self {
        let mut keys = secrets.iter().map(|secret| hmac::Key::new(HMAC_SHA256, secret.reveal().as_bytes()));
        let (first, older) = (keys.next(), keys.collect());
        match first {
            Some(first) => Self { first, older, secrets },
            None => Self::random(),
        }
    }

    /// The same, and `secret` signs from here on.
    pub fn followed_by(&self, secret: &Secret) -> Self {
        Self::new(std::iter::once(secret).chain(self.secrets.iter().take(OLDER)).cloned().collect())
    }

    /// Their texts, in order, for the process that takes the place of this one.
    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// A key that nobody else has.
    pub fn random() -> Self {
        Self::new(vec![Self::secret()])
    }

    /// The text of a new key: 256 random bits.
    pub fn secret() -> Secret {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).expect("the system gives random bytes");
        Secret::new(super::hex::encode(&bytes))
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE] {
        signature(&self.first, message)
    }

    /// Compares in a time that does not depend on where the first difference is.
    pub(super) fn verify(&self, message: &[u8], given: &[u8]) -> bool {
        let mut keys = std::iter::once(&self.first).chain(&self.older);
        keys.any(|key| verify_slices_are_equal(&signature(key, message), given).is_ok())
    }
}

fn signature(key: &hmac::Key, message: &[u8]) -> [u8; SIGNATURE] {
    let whole = hmac::sign(key, message);
    let mut cut = [0; SIGNATURE];
    cut.copy_from_slice(&whole.as_ref()[..SIGNATURE]);
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secrets: &[&str]) -> Keys {
        Keys::new(secrets.iter().map(|secret| Secret::new((*secret).to_owned())).collect())
    }

    #[test]
    fn a_signature_is_that_of_rfc_4231_cut_to_half() {
        let signed = keys(&["Jefe"]).sign(b"what do ya want for nothing?");
        assert_eq!(super::super::hex::encode(&signed), "5bdcc146bf60754e6a042426089575c7");
    }

    #[test]
    fn the_first_key_signs_and_all_verify() {
        let signed = keys(&["new", "old"]).sign(b"m");
        assert_eq!(signed, keys(&["new"]).sign(b"m"));
        assert!(keys(&["newest", "new", "old"]).verify(b"m", &signed));
        assert!(!keys(&["old"]).verify(b"m", &signed));
        assert!(!keys(&["new"]).verify(b"n", &signed) && !keys(&["new"]).verify(b"m", &signed[1..]));
        assert!(!keys(&["new"]).verify(b"m", b""));
    }

    #[test]
    fn a_key_that_another_follows_verifies_until_four_more_have_come() {
        let before = keys(&["old"]);
        let signed = before.sign(b"m");
        let mut after = before.followed_by(&Secret::new("new".to_owned()));
        assert_eq!(after.sign(b"m"), keys(&["new"]).sign(b"m"));
        for more in ["2nd", "3rd", "4th"] {
            assert!(after.verify(b"m", &signed));
            after = after.followed_by(&Secret::new(more.to_owned()));
        }
        assert!(after.verify(b"m", &signed));
        assert!(!after.followed_by(&Secret::new("5th".to_owned())).verify(b"m", &signed));
    }

    #[test]
    fn a_random_key_is_another_each_time() {
        let signed = Keys::random().sign(b"m");
        assert!(!Keys::random().verify(b"m", &signed) && !Keys::new(Vec::new()).verify(b"m", &signed));
        assert_eq!(Keys::secret().reveal().len(), 64);
    }
}
