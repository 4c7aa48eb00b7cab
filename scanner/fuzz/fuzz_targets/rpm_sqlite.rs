//! See `patchline_scanner::fuzzing::rpm_sqlite`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    patchline_scanner::fuzzing::rpm_sqlite(bytes);
});
