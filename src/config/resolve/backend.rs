//! The backends of a track.

use super::scalar::whole;
use super::upstream::address;
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::RawBackend;
use crate::model::{BackendId, BackendSpec, BackendWeight};

/// The longest schedule of a track that is worth its memory.
const LONGEST_SCHEDULE: u32 = 65_536;

pub(super) fn backends(problems: &mut Problems<'_>, key: &Key, raw: &[RawBackend]) -> Option<Vec<BackendSpec>> {
    if raw.is_empty() {
        return problems.miss(key, "there is no backend", "write at least one, such as \"10.0.0.11:3002\"");
    }
    let backends: Vec<_> =
        raw.iter().enumerate().map(|(index, raw)| backend(problems, &key.index(index), raw)).collect();
    let backends = backends.into_iter().collect::<Option<Vec<_>>>()?;
    let weights = || backends.iter().map(|backend| backend.weight.get());
    let length = weights().sum::<u32>() / weights().fold(0, gcd);
    if length > LONGEST_SCHEDULE {
        let why = format!("the weights add up to more than {LONGEST_SCHEDULE}");
        return problems.refuse(key, length, why, "write smaller weights, or weights with a common divisor");
    }
    Some(backends)
}

fn backend(problems: &mut Problems<'_>, key: &Key, raw: &RawBackend) -> Option<BackendSpec> {
    let table = match raw {
        RawBackend::Address(text) => {
            let address = address(problems, key, text)?;
            return Some(BackendSpec { id: BackendId::new(address.to_string()), address, weight: BackendWeight::ONE });
        }
        RawBackend::Table(table) => table,
    };
    let address = match &table.address {
        Some(text) => address(problems, &key.field("address"), text),
        None => problems.miss(&key.field("address"), "the address is missing", "write address = \"host:port\""),
    };
    let weight = whole(problems, &key.field("weight"), table.weight.unwrap_or(1), 1..=BackendWeight::MAX)
        .and_then(BackendWeight::new);
    // The id is sent in a header and stands in metrics.
    let name = match &table.name {
        Some(name) if name.is_empty() || name.len() > 255 || !name.bytes().all(|b| b.is_ascii_graphic()) => problems
            .refuse(&key.field("name"), name, "not 1 to 255 visible ASCII characters", "write a name such as \"web1\""),
        name => Some(name.clone()),
    };
    let address = address?;
    let id = BackendId::new(name?.unwrap_or_else(|| address.to_string()));
    Some(BackendSpec { id, address, weight: weight? })
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
