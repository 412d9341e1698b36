use gitops_core::sync::{Hooks, wave_of};
use gitops_manifest::{Object, Value};
use serde_json::json;

use super::{check, same};

#[test]
fn conformance_sync_hooks() {
    check("sync", "hooks.json", |case| {
        let mut metadata = json!({"name": "x"});
        metadata["annotations"] = case["annotations"].clone().into();
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata});
        let object = Object::try_from(object).map_err(|error| error.to_string())?;
        let hooks = Hooks::of(&object);
        let types: Vec<&str> = hooks.types.iter().map(|t| t.as_str()).collect();
        let found = json!({
            "isHook": hooks.is_hook,
            "skip": hooks.skip,
            "ignored": hooks.is_hook && types.is_empty(),
            "types": types,
            "phases": hooks.phases().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "deletePolicies": hooks.delete_policies.iter().map(|p| p.as_str()).collect::<Vec<_>>(),
            "wave": wave_of(&object),
        });
        let mut expected = case.clone();
        let map = expected.as_object_mut().ok_or("a case is a map")?;
        map.remove("name");
        map.remove("annotations");
        if let Some(Value::Array(phases)) = map.get_mut("phases") {
            let order = ["PreSync", "Sync", "PostSync", "SyncFail"];
            phases
                .make_mut()
                .sort_by_key(|p| order.iter().position(|o| p.as_str() == Some(o)));
        }
        same("", &expected, &found.into())
    });
}
