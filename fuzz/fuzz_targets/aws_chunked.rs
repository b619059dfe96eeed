#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::aws_chunked::check(input));
