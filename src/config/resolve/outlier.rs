//! `[service.outlier]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::scalar::{LASTING, duration, whole};
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::RawOutlier;
use crate::model::OutlierSpec;

const PERCENT: RangeInclusive<u32> = 0..=100;
const WINDOW: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

pub(super) fn outlier(problems: &mut Problems<'_>, key: &Key, raw: &RawOutlier) -> Option<OutlierSpec> {
    let consecutive = whole(problems, &key.field("consecutive"), raw.consecutive, 0..=1000_u32);
    let success_percent = whole(problems, &key.field("success_percent"), raw.success_percent, PERCENT);
    let window = duration(problems, &key.field("window"), &raw.window, WINDOW);
    let min_requests = whole(problems, &key.field("min_requests"), raw.min_requests, 1..=100_000_u32);
    let max_ejected_percent = whole(problems, &key.field("max_ejected_percent"), raw.max_ejected_percent, PERCENT);
    let base_key = key.field("base_ejection");
    let base_ejection = duration(problems, &base_key, &raw.base_ejection, LASTING);
    let max_ejection = duration(problems, &key.field("max_ejection"), &raw.max_ejection, LASTING);
    if base_ejection.zip(max_ejection).is_some_and(|(base, max)| base > max) {
        let why = format!("longer than outlier.max_ejection, `{}`", raw.max_ejection);
        let remedy = "write a shorter base_ejection, or a longer max_ejection";
        return problems.refuse(&base_key, &raw.base_ejection, why, remedy);
    }
    Some(OutlierSpec {
        consecutive: consecutive?,
        success_percent: success_percent?,
        window: window?,
        min_requests: min_requests?,
        max_ejected_percent: max_ejected_percent?,
        base_ejection: base_ejection?,
        max_ejection: max_ejection?,
    })
}
