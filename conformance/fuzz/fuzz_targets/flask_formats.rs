#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cloakroom_hostile::feed("flask_formats", data));
