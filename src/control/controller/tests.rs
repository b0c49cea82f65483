use std::net::SocketAddr;
use std::time::Duration;

use super::orders::Order;
use super::*;
use crate::control::specimen::{endpoint, service};
use crate::model::{Alert, AlertReading, Health, Owners, ProbeReport, ProbeTarget, Reason, Track};
use crate::supervise::Restarts;
use crate::table::{TableReader, table};

struct Stage {
    controller: Controller,
    outputs: Outputs,
    reader: TableReader,
    restarts: Restarts,
    metrics: Metrics,
}

impl Stage {
    fn set() -> Self {
        let metrics = Metrics::new();
        let (writer, reader) = table();
        let addresses = ["a", "b", "c"].map(|host| {
            let known: Arc<[SocketAddr]> = Arc::from([SocketAddr::from(([10, 0, 0, 1], 80))]);
            (endpoint(host), tokio::sync::watch::Sender::new(known).subscribe())
        });
        let spec = service((2, &["a", "b"]), (1, &["c"]));
        let (controller, outputs) =
            Controller::new(&[spec], addresses.into_iter().collect(), None, None, &metrics, writer);
        let restarts = Restarts::new("controller", metrics.life.clone());
        let mut stage = Self { controller, outputs, reader, restarts, metrics };
        stage.alert(false);
        for (track, host) in [(Track::Stable, "a"), (Track::Stable, "b"), (Track::Canary, "c")] {
            stage.deal_with(Event::Probed(report(track, host, true))).unwrap();
        }
        stage
    }

    fn deal_with(&mut self, event: Event) -> Result<(), Panicked> {
        self.controller.deal_with(event, &mut self.restarts)
    }

    fn alert(&mut self, stands: bool) {
        self.deal_with(Event::Alerted(reading(stands))).unwrap();
    }

    /// Who is routed to, and what is told of the gate.
    fn shown(&self) -> (String, String) {
        let lanes = self.reader.read(|table| {
            let routed = table.services[0].clone();
            let both = [routed.stable.members(), routed.canary.members()].concat();
            both.iter().map(|member| format!("{}{} ", member.id, member.key)).collect()
        });
        let status = self.outputs.status.borrow();
        (lanes, format!("{:?}", status.services[0].gate.as_ref().unwrap().reasons))
    }
}

fn report(track: Track, host: &str, passed: bool) -> ProbeReport {
    let spec = service((2, &["a", "b"]), (1, &["c"]));
    ProbeReport {
        target: ProbeTarget { service: spec.name, track, backend: crate::model::BackendId::new(host) },
        address: endpoint(host).into(),
        failure: (!passed).then(|| "refused".into()),
        health: if passed { Health::Up } else { Health::Down },
        seen: Instant::now(),
    }
}

fn reading(stands: bool) -> AlertReading {
    let alert = ("api".into(), Alert { reason: "slow".into(), by: None });
    let service = service((1, &[]), (1, &[])).name;
    AlertReading { service, owners: stands.then_some(alert).into_iter().collect::<Owners>(), seen: Instant::now() }
}

#[test]
fn it_goes_back_to_the_last_sound_state_and_the_table_says_the_same() {
    let mut stage = Stage::set();
    stage.deal_with(Event::Probed(report(Track::Stable, "b", false))).unwrap();
    for alerted in [false, true] {
        stage.alert(alerted);
        let (before, generation) = (stage.shown(), stage.controller.writer.generation());
        let outcomes = stage.controller.fleet.services[0].together.clone();
        stage.controller.fleet.services.clear();
        stage.controller.recover();
        assert_eq!(stage.shown(), before);
        assert!(stage.controller.writer.generation() > generation);
        assert!(Arc::ptr_eq(&outcomes, &stage.controller.fleet.services[0].together));
    }
}

#[test]
fn a_panic_is_counted_and_an_alert_that_came_with_it_is_in_force() {
    let mut stage = Stage::set();
    assert!(stage.shown().0.contains('c'));
    // What no event leaves behind: a place in the table that is not there.
    stage.controller.builder.break_places();
    let dealt_with = stage.deal_with(Event::Alerted(reading(true)));
    assert_eq!(dealt_with, Err(Panicked(Duration::from_millis(10))));
    assert_eq!(stage.metrics.life.restarts("controller").get(), 1);
    let reasons = stage.controller.fleet.services[0].gate.as_ref().unwrap().reasons().clone();
    assert_eq!(reasons, [Reason::Alert].into());
    assert!(!stage.shown().0.contains('c'), "{:?}", stage.shown());
    stage.deal_with(Event::Round).unwrap();
    assert!(stage.outputs.heartbeat.age() < Duration::from_secs(10));
}

#[test]
fn a_reload_is_in_force_after_a_panic_too() {
    let mut stage = Stage::set();
    let mut spec = service((2, &["a"]), (1, &["c"]));
    spec.canary.as_mut().unwrap().weight = crate::model::Weight::new(3).unwrap();
    let addresses = stage.controller.addresses.clone();
    let (reply, mut answer) = tokio::sync::oneshot::channel();
    stage.deal_with(Event::Order(Order::Reload { services: vec![spec], addresses, reply })).unwrap();
    answer.try_recv().unwrap();
    let reloaded = stage.shown();
    assert_eq!(reloaded.0, "a1 c3 ", "with the keys that they had");
    stage.controller.recover();
    assert_eq!(stage.shown(), reloaded);
    assert_eq!(stage.outputs.status.borrow().services[0].tracks.canary.as_ref().unwrap().weight, 3);
}
