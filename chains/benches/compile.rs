//! How long compiling takes: chains as people write them, and input that makes a reader work.

#![expect(missing_docs, reason = "criterion's macro writes a function without one")]

#[path = "inputs/mod.rs"]
mod inputs;
#[path = "../src/tests/catalogue.rs"]
mod small;

use std::{hint::black_box, time::Duration};

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, criterion_group, criterion_main};
use patchline_chains::{
    Catalogue, Compiled, Field, Param, ParamType, Source, StepKind, ValueType, catalogue, compile,
};

/// Time on the processor, so that what else a machine does changes no figure. Compiling has one thread and waits for
/// nothing: on an idle machine it is the time that passes.
struct Processor;

impl Processor {
    /// The first number of `/proc/thread-self/schedstat` (proc(5)), in nanoseconds; it is brought up to date when the
    /// thread offers its place.
    fn now() -> Duration {
        std::thread::yield_now();
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let nanoseconds = stat.split(' ').next().and_then(|n| n.parse().ok());
        Duration::from_nanos(nanoseconds.expect("Linux counts the time of each thread"))
    }
}

impl Measurement for Processor {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        Processor::now()
    }
    fn end(&self, start: Duration) -> Duration {
        // No measurement is nothing, which the statistics cannot take.
        Processor::now().saturating_sub(start).max(Duration::from_nanos(1))
    }
    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }
    fn zero(&self) -> Duration {
        Duration::ZERO
    }
    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }
    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn compiled(bytes: &[u8]) -> Compiled {
    compile(Source { name: "chain.yaml", bytes: black_box(bytes) }, &small::small())
}

fn validate(criterion: &mut Criterion<Processor>) {
    let mut group = criterion.benchmark_group("validate");
    for (name, steps) in [("100-steps", 100), ("1000-steps-with-when", 1_000)] {
        let text = inputs::chain(steps);
        assert!(compiled(&text).is_ok(), "{name} compiles");
        group.bench_function(name, |bencher| bencher.iter(|| compiled(&text)));
    }
    group.finish();
}

fn hostile(criterion: &mut Criterion<Processor>) {
    let mut group = criterion.benchmark_group("hostile");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    for input in inputs::HOSTILE {
        let bytes = (input.make)();
        group.bench_function(input.name, |bencher| bencher.iter(|| compiled(&bytes)));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(Processor);
    targets = validate, hostile
}
criterion_main!(benches);
