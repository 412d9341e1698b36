//! Packed charts.
#![no_main]

use gitops_helm::Chart;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Chart::from_archive(bytes);
});
