//! The patchline binary.
fn main() {}
