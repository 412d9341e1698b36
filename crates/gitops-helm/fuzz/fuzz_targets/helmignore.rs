//! Rules of `.helmignore`, and a path held against them.
#![no_main]

use gitops_helm::IgnoreRules;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (rules, path) = input;
    if let Ok(rules) = IgnoreRules::parse(rules) {
        let _ = rules.ignores(path, false);
        let _ = rules.ignores(path, true);
    }
});
