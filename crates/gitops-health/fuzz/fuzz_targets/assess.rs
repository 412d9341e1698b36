//! Any object has some health or none, and its actions can be asked for.
#![no_main]

use gitops_health::{Context, Strategy, actions, assess};
use gitops_manifest::{Object, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(object) = Value::from_json(data).map_err(drop).and_then(|v| Object::try_from(v).map_err(drop)) else {
        return;
    };
    for strategy in [Strategy::Standard, Strategy::ArgoCd, Strategy::GitopsEngine, Strategy::Kstatus] {
        let _ = assess(&object, &Context::new().with_strategy(strategy));
    }
    let _ = actions::discover(&object);
});
