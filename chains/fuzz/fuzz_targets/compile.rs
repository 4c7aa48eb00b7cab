//! Whatever the bytes are: compiling tells places within them, and what compiles can be kept and drawn.
#![no_main]

#[path = "../../src/tests/catalogue.rs"]
mod small;
#[path = "../../tests/corpus/holds.rs"]
mod holds;

use patchline_chains::{Catalogue, Field, Param, ParamType, StepKind, ValueType, catalogue};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holds::holds(bytes, &small::small()));
