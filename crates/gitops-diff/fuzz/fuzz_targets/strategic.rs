//! Any strategic merge patch is applied or refused, and any two documents have one.
#![no_main]

use gitops_diff::schema::Schemas;
use gitops_diff::strategic::{self, ThreeWayOptions};
use gitops_manifest::Value;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: (&str, &str, &str)| {
    let (Ok(a), Ok(b), Ok(c)) = (Value::from_json(texts.0), Value::from_json(texts.1), Value::from_json(texts.2)) else {
        return;
    };
    let ty = Schemas::builtin().lookup("", "v1", "Pod").unwrap();
    let _ = strategic::apply(&a, &b, ty);
    let _ = strategic::create(&a, &b, ty);
    let _ = strategic::sort_merge_lists(&a, ty);
    for overwrite in [false, true] {
        let options = ThreeWayOptions::default().overwrite(overwrite);
        let _ = strategic::create_three_way(&a, &b, &c, ty, &options);
    }
});
