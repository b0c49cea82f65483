//! Whose turn it is. Bar: under 20 ns.

use std::hint::black_box;

use coalmine::table::Schedule;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

fn pick(c: &mut Criterion) {
    for weights in [[2, 1], [1000, 999]] {
        let schedule = Schedule::new(&weights).expect("the period is short enough");
        let name = format!("schedule/pick {}:{}", weights[0], weights[1]);
        let mut ticket = 0_u64;
        c.bench_function(&name, |b| {
            b.iter(|| {
                ticket += 1;
                schedule.pick(black_box(ticket))
            });
        });
    }
}

/// Built once for each change of a service, by the controller.
fn build(c: &mut Criterion) {
    c.bench_function("schedule/build 1000:999", |b| {
        b.iter_batched(|| black_box([1000, 999]), |weights| Schedule::new(&weights), BatchSize::SmallInput);
    });
}

criterion_group!(benches, pick, build);
criterion_main!(benches);
