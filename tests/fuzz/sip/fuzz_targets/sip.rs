#![no_main]
//! Framer, parser, gate, transactions and dialogs must not panic on any bytes.

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    anteroom_sip::fuzz::fuzz_message(data);
});
