//! libFuzzer's entry into `radcanvas_fuzz::messages`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: radcanvas_fuzz::quiet(), |bytes: &[u8]| radcanvas_fuzz::messages(bytes));
