//! The fuzz target's corpus, hostile inputs and past findings among it, replayed.

#[path = "corpus/holds.rs"]
mod holds;
#[path = "../src/tests/catalogue.rs"]
mod small;

use patchline_chains::{Catalogue, Field, Param, ParamType, StepKind, ValueType, catalogue};

#[test]
fn what_holds_of_every_input_holds_of_the_corpus() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/compile");
    let mut replayed = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        holds::holds(&std::fs::read(entry.unwrap().path()).unwrap(), &small::small());
        replayed += 1;
    }
    assert!(replayed >= 30, "{replayed} inputs in {folder}");
}
