//! Arbitrary bytes as a message: see the library.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| taskwatch_sqs_message_fuzz::check(bytes));
