//! What a certificate authority is answered (RFC 8555, 8.3).

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;

/// Where the authority asks: `/.well-known/acme-challenge/TOKEN`.
const PATH: &str = "/.well-known/acme-challenge/";

/// Key authorizations by token: of this balancer, and of those beside it, which may be asked instead. Cheap to clone;
/// all clones are the same. A request takes no lock.
#[derive(Clone, Debug, Default)]
pub struct Challenges {
    own: Arc<ArcSwap<BTreeMap<String, String>>>,
    shared: Arc<ArcSwap<BTreeMap<String, String>>>,
}

impl Challenges {
    /// Those of this balancer, and no others.
    pub fn set_own(&self, own: BTreeMap<String, String>) {
        self.own.store(Arc::new(own));
    }

    /// Those of all balancers, as the store has them.
    pub fn set_shared(&self, shared: BTreeMap<String, String>) {
        self.shared.store(Arc::new(shared));
    }

    /// The answer to a request for `path`; `None`: nobody here has been told to expect it.
    pub fn answer(&self, path: &str) -> Option<Bytes> {
        let token = path.strip_prefix(PATH)?;
        let find = |of: &ArcSwap<BTreeMap<String, String>>| of.load().get(token).map(|it| Bytes::from(it.clone()));
        find(&self.own).or_else(|| find(&self.shared))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_answered_by_whichever_balancer_is_asked_for_as_long_as_it_stands() {
        let challenges = Challenges::default();
        let map = |token: &str| BTreeMap::from([(token.to_owned(), format!("{token}.thumb"))]);
        challenges.set_own(map("mine"));
        challenges.set_shared(map("theirs"));
        let answer = |path: &str| challenges.answer(path).map(|answer| String::from_utf8(answer.to_vec()).unwrap());
        assert_eq!(answer("/.well-known/acme-challenge/mine").as_deref(), Some("mine.thumb"));
        assert_eq!(answer("/.well-known/acme-challenge/theirs").as_deref(), Some("theirs.thumb"));
        for other in ["/.well-known/acme-challenge/", "/.well-known/acme-challenge/mine/", "/mine", "mine", ""] {
            assert_eq!(answer(other), None, "{other}");
        }
        challenges.set_own(BTreeMap::new());
        assert_eq!(answer("/.well-known/acme-challenge/mine"), None);
    }
}
