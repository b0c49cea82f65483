//! The key that signs the cookies of all balancers on the prefix: made by the first, taken over by the others.

use std::time::Instant;

use super::{Over, Watch};
use crate::bus::held::Held;
use crate::bus::key::AFFINITY;
use crate::bus::store::Store;
use crate::model::Secret;

/// The length of a key, in bytes.
const LENGTH: usize = 32;

impl Watch {
    /// Sees that the store holds a key, and tells which. A key that is gone is put back. Where another one stands, that
    /// is used: two that insisted would change it for ever.
    pub(super) async fn agree_on_affinity_key(&mut self, store: &Store) -> Result<(), Over> {
        if !self.desk.board.wants_affinity_key() {
            return Ok(());
        }
        if self.desk.board.affinity_key().is_none() {
            self.propose(store).await?;
        }
        if let (Some(told), Some(stands)) = (&self.affinity, self.desk.board.affinity_key()) {
            told.send_if_modified(|told| {
                let news = told.as_ref() != Some(stands);
                if news {
                    *told = Some(stands.clone());
                }
                news
            });
        }
        Ok(())
    }

    async fn propose(&mut self, store: &Store) -> Result<(), Over> {
        let in_use = self.affinity.as_ref().and_then(|told| told.borrow().clone());
        let Some(key) = in_use.or_else(random) else { return Ok(()) };
        let claim = store.clone().claim(AFFINITY.to_vec(), key.reveal().to_owned(), None);
        match self.desk.during(claim).await?? {
            Ok(true) => {
                self.refused.taken(AFFINITY);
                self.desk.board.apply(AFFINITY.to_vec(), Some(Held::AffinityKey(key)), None, Instant::now());
            }
            Ok(false) => {
                self.read(store, vec![AFFINITY.to_vec()], Instant::now()).await?;
                if self.desk.board.affinity_key().is_none() {
                    // What stands there is no key.
                    self.desk.board.put_affinity_key(key, Instant::now());
                }
            }
            Err(error) => self.refused(AFFINITY, &error),
        }
        Ok(())
    }
}

/// A key that nobody can guess.
fn random() -> Option<Secret> {
    let mut key = [0; LENGTH];
    if rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut key).is_err() {
        tracing::error!("the machine gives no random numbers; no signing key is made");
        return None;
    }
    Some(Secret::new(key.iter().map(|byte| format!("{byte:02x}")).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_keys_differ_and_are_64_digits_long() {
        let (one, two) = (random().unwrap(), random().unwrap());
        assert_eq!(one.reveal().len(), 2 * LENGTH);
        assert_ne!(one.reveal(), two.reveal());
    }
}
