#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    checks::http1_to_http2::check(input);
});
