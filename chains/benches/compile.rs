//! How long compiling takes: chains as people write them, and input that makes a reader work.

#![expect(missing_docs, reason = "criterion's macro writes a function without one")]

#[path = "inputs/mod.rs"]
mod inputs;
#[path = "../src/tests/catalogue.rs"]
mod small;

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use patchline_chains::{
    Catalogue, Compiled, Field, Param, ParamType, Source, StepKind, ValueType, catalogue, compile,
};

fn compiled(bytes: &[u8]) -> Compiled {
    compile(Source { name: "chain.yaml", bytes: black_box(bytes) }, &small::small())
}

fn validate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("validate");
    for (name, steps) in [("100-steps", 100), ("1000-steps-with-when", 1_000)] {
        let text = inputs::chain(steps);
        assert!(compiled(&text).is_ok(), "{name} compiles");
        group.bench_function(name, |bencher| bencher.iter(|| compiled(&text)));
    }
    group.finish();
}

fn hostile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hostile");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    for input in inputs::HOSTILE {
        let bytes = (input.make)();
        group.bench_function(input.name, |bencher| bencher.iter(|| compiled(&bytes)));
    }
    group.finish();
}

criterion_group!(benches, validate, hostile);
criterion_main!(benches);
