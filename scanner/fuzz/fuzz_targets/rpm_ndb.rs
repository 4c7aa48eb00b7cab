//! See `patchline_scanner::fuzzing::rpm_ndb`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    patchline_scanner::fuzzing::rpm_ndb(bytes);
});
