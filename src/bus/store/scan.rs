//! Which keys there are.

use std::collections::{BTreeMap, BTreeSet};

use redis::cmd;

use super::{Lost, Store};
use crate::bus::board::MAX_KEYS;
use crate::bus::key::{Key, is_under};

/// Keys that one SCAN call looks at.
const SCAN_COUNT: usize = 1000;

impl Store {
    /// The keys that are one of `roots` or `<root>:<owner>`, so many of each that no flood of one hides another. Visits
    /// every key of the server, a little at a time.
    pub(in crate::bus) async fn scan(mut self, roots: Vec<Key>) -> Result<Vec<Key>, Lost> {
        let mut pattern = glob_escaped(&self.full(&shared_start(&roots)));
        pattern.push(b'*');
        let mut found: BTreeMap<&Key, BTreeSet<Key>> = BTreeMap::new();
        let mut cursor = 0_u64;
        loop {
            let mut command = cmd("SCAN");
            command.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_COUNT);
            let (next, page): (u64, Vec<Key>) = command.query_async(&mut self.connection).await?;
            for key in page.iter().filter_map(|key| key.strip_prefix(self.prefix.as_slice())) {
                for root in roots.iter().filter(|root| is_under(key, root)) {
                    let of_root = found.entry(root).or_default();
                    if of_root.len() <= MAX_KEYS {
                        of_root.insert(key.to_vec());
                    }
                }
            }
            cursor = next;
            if cursor == 0 {
                return Ok(found.into_values().flatten().collect::<BTreeSet<Key>>().into_iter().collect());
            }
        }
    }
}

/// The longest start that all have in common.
fn shared_start(keys: &[Key]) -> Key {
    let Some((first, others)) = keys.split_first() else { return Key::new() };
    let length = others
        .iter()
        .fold(first.len(), |length, key| first.iter().zip(key).take(length).take_while(|(a, b)| a == b).count());
    first[..length].to_vec()
}

fn glob_escaped(text: &[u8]) -> Vec<u8> {
    let special = |byte: &u8| b"*?[]^-\\".contains(byte);
    text.iter().flat_map(|byte| special(byte).then_some(b'\\').into_iter().chain([*byte])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_pattern_takes_no_special_character_from_a_key() {
        assert_eq!(glob_escaped(b"a*[b]?\\"), b"a\\*\\[b\\]\\?\\\\");
    }

    #[test]
    fn one_scan_serves_all_keys_by_their_shared_start() {
        assert_eq!(shared_start(&[b"alert:a".to_vec(), b"alert:b".to_vec()]), b"alert:");
        assert_eq!(shared_start(&[b"alert".to_vec()]), b"alert");
        assert_eq!(shared_start(&[b"a".to_vec(), b"b".to_vec()]), b"");
    }
}
