//! `[service.stable]` and `[service.canary]`: what each says, then both beside each other.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use super::backend::backends;
use super::probe::{Layers, probe};
use super::scalar::{DAY, duration, whole};
use super::upstream::upstream;
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::{RawProbe, RawService, RawTrack};
use crate::model::{BackendSpec, Track, TrackSpec, Weight};

pub(super) fn tracks(
    problems: &mut Problems<'_>,
    key: &Key,
    raw: &RawService,
    directory: &Path,
) -> Option<(TrackSpec, Option<TrackSpec>)> {
    let probe_key = key.field("probe");
    let shared = (&probe_key, &raw.probe);
    let (stable_key, canary_key) = (key.field("stable"), key.field("canary"));
    let stable = match &raw.stable {
        Some(raw_track) => track(problems, &stable_key, Track::Stable, raw_track, shared, directory),
        None => {
            let remedy = "add [service.stable] with backends = [\"host:port\"]";
            problems.miss(&stable_key, "the service has no stable backends", remedy)
        }
    };
    let canary = match &raw.canary {
        Some(raw_track) => track(problems, &canary_key, Track::Canary, raw_track, shared, directory).map(Some),
        None => Some(None),
    };
    let (stable, canary) = (stable?, canary?);
    let shares = stable.weight.get() + canary.as_ref().map_or(0, |canary| canary.weight.get());
    if shares == 0 {
        let why = if canary.is_some() { "both tracks have no share" } else { "the only track has no share" };
        problems.refuse::<()>(&stable_key.field("weight"), 0, why, "write a weight from 1 to 1000");
    }
    let unique = ids_differ(problems, [(&stable_key, Some(&stable)), (&canary_key, canary.as_ref())]);
    (shares > 0 && unique).then_some((stable, canary))
}

/// `shared` is the service's `[service.probe]`.
fn track(
    problems: &mut Problems<'_>,
    key: &Key,
    track: Track,
    raw: &RawTrack,
    shared: (&Key, &RawProbe),
    directory: &Path,
) -> Option<TrackSpec> {
    let default_weight = match track {
        Track::Stable => 2,
        Track::Canary => 1,
    };
    let weight = raw.weight.unwrap_or(default_weight);
    let weight = whole(problems, &key.field("weight"), weight, 0..=Weight::MAX).and_then(Weight::new);
    let backends = backends(problems, &key.field("backends"), &raw.backends);
    let upstream = upstream(problems, key, raw, backends.as_deref(), directory);
    let own = key.field("probe");
    let probe = probe(problems, &Layers { track, own: (&own, &raw.probe), shared });
    let min_up = min_up(problems, &key.field("min_up"), track, raw.min_up, backends.as_deref());
    let slow_start = slow_start(problems, &key.field("slow_start"), track, raw.slow_start.as_deref());
    Some(TrackSpec {
        weight: weight?,
        backends: backends?,
        upstream: upstream?,
        probe: probe?,
        min_up: min_up?,
        slow_start: slow_start?,
    })
}

fn min_up(
    problems: &mut Problems<'_>,
    key: &Key,
    track: Track,
    number: Option<i64>,
    backends: Option<&[BackendSpec]>,
) -> Option<Option<u32>> {
    let Some(number) = number else { return Some(None) };
    if track == Track::Canary {
        let remedy = "move it to [service.stable], or remove it";
        return problems.refuse(key, number, "only of stable so many backends have to be up", remedy);
    }
    let all = u32::try_from(backends?.len()).unwrap_or(u32::MAX);
    whole(problems, key, number, 0..=all).map(Some)
}

fn slow_start(problems: &mut Problems<'_>, key: &Key, track: Track, text: Option<&str>) -> Option<Option<Duration>> {
    match (track, text) {
        (Track::Stable, None) => Some(None),
        (Track::Stable, Some(text)) => {
            let remedy = "move it to [service.canary], or remove it";
            problems.refuse(key, text, "only the share of a canary grows slowly", remedy)
        }
        (Track::Canary, text) => duration(problems, key, text.unwrap_or("0s"), Duration::ZERO..=DAY).map(Some),
    }
}

fn ids_differ(problems: &mut Problems<'_>, tracks: [(&Key, Option<&TrackSpec>); 2]) -> bool {
    let mut seen = HashSet::new();
    let mut unique = true;
    for (key, track) in tracks {
        for (index, backend) in track.iter().flat_map(|track| &track.backends).enumerate() {
            if !seen.insert(&backend.id) {
                unique = false;
                let key = key.field("backends").index(index);
                let why = "another backend of the service has this id";
                let remedy = "remove one of the two, or give it a name: { address = \"host:port\", name = \"web2\" }";
                problems.refuse::<()>(&key, &backend.id, why, remedy);
            }
        }
    }
    unique
}
