use std::time::Duration;

use super::{SERVICE, parse};
use crate::model::{ProbeQuestion, ProbeSpec};

fn probes(extra: &str) -> (ProbeSpec, ProbeSpec) {
    let service = parse(&format!("{SERVICE}{extra}")).unwrap().services.remove(0);
    (service.stable.probe, service.canary.unwrap().probe)
}

fn timing(probe: &ProbeSpec) -> (u128, u128, u32, u32) {
    (probe.interval.as_millis(), probe.timeout.as_millis(), probe.fall.get(), probe.rise.get())
}

fn path(probe: &ProbeSpec) -> &str {
    let ProbeQuestion::Http { path, .. } = &probe.question else { panic!("no path") };
    path
}

fn statuses(probe: &ProbeSpec) -> String {
    let ProbeQuestion::Http { expect_status, .. } = &probe.question else { panic!("no status") };
    expect_status.to_string()
}

#[test]
fn an_unwritten_probe_has_the_default_of_its_track() {
    let (stable, canary) = probes("");
    assert_eq!(timing(&stable), (2000, 1000, 3, 2));
    assert_eq!(timing(&canary), (500, 1000, 1, 2));
}

#[test]
fn a_key_of_the_service_goes_before_the_default_of_both_tracks() {
    let (stable, canary) = probes("[service.probe]\ninterval = '7s'\npath = '/up'\n");
    assert_eq!((timing(&stable), path(&stable)), ((7000, 1000, 3, 2), "/up"));
    assert_eq!((timing(&canary), path(&canary)), ((7000, 1000, 1, 2), "/up"));
}

#[test]
fn a_key_of_the_track_goes_before_the_key_of_the_service() {
    let (stable, canary) = probes(
        "[service.probe]\ninterval = '7s'\nfall = 5\nexpect_status = ['204']\n\
         [service.canary.probe]\ninterval = '50ms'\nexpect_status = ['200', '301-302']\n\
         [service.stable.probe]\nrise = 9\n",
    );
    assert_eq!(timing(&stable), (7000, 1000, 5, 9));
    assert_eq!(timing(&canary), (50, 1000, 5, 2));
    assert_eq!(statuses(&stable), "204");
    assert_eq!(statuses(&canary), "200, 301-302");
    assert_eq!(canary.interval, Duration::from_millis(50));
}
