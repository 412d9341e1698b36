use gitops_core::sync::{SyncPhase, Task, sort_tasks};
use gitops_manifest::{Object, Value};
use serde_json::json;

use super::{check, same};

#[test]
fn conformance_sync_order() {
    check("sync", "order.json", |case| {
        let object = |value: &Value| Object::try_from(value.clone()).ok();
        let inputs = case["tasks"].as_array().ok_or("tasks is a list")?;
        let mut tasks: Vec<Task> = inputs
            .iter()
            .enumerate()
            .map(|(i, task)| {
                let phase: SyncPhase = serde_json::from_value(task["phase"].clone().into())
                    .map_err(|error| error.to_string())?;
                let mut task = Task::new(phase, object(&task["target"]), object(&task["live"]));
                task.message = i.to_string();
                Ok(task)
            })
            .collect::<Result<_, String>>()?;
        sort_tasks(&mut tasks);
        let found: Vec<serde_json::Value> = tasks
            .iter()
            .map(|task| {
                let number: i64 = task.message.parse().unwrap_or(-1);
                json!({"task": number, "phase": task.phase.to_string(), "wave": task.wave})
            })
            .collect();
        same("", &case["expected"], &json!(found).into())
    });
}
