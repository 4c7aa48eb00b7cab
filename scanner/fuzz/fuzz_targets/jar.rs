//! See `patchline_scanner::fuzzing::jar`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    patchline_scanner::fuzzing::jar(bytes);
});
