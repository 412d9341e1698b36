//! Any two objects are compared, in every way, and what is found can be shown.
#![no_main]

use gitops_diff::compare::{CompareOptions, Strategy, compare};
use gitops_diff::show::{self, ShowOptions};
use gitops_manifest::{Object, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: (&str, &str)| {
    let read = |text: &str| Object::try_from(Value::from_json(text).ok()?).ok();
    let (desired, live) = (read(texts.0), read(texts.1));
    for strategy in [Strategy::ClientSide, Strategy::Structured] {
        for compat in [false, true] {
            let options = CompareOptions::default().strategy(strategy.clone()).compat(compat);
            if let Ok(comparison) = compare(desired.as_ref(), live.as_ref(), &options) {
                let _ = show::unified(&comparison, &ShowOptions::default());
                let _ = show::side_by_side(&comparison, &ShowOptions::default());
                let _ = comparison.remarks();
                for difference in &comparison.differences {
                    let _ = (difference.explain(), difference.path.to_jq());
                }
            }
        }
    }
});
