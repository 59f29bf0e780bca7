#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (manyeyes_fuzz::target("models").run)(bytes));
