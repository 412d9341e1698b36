use gitops_core::application::SyncWindow;
use gitops_core::project::Cluster;
use gitops_core::windows::Windows;
use gitops_core::{Compat, Timestamp};
use gitops_manifest::Value;
use serde_json::json;

use super::{check, same};

#[test]
fn conformance_sync_windows() {
    check("sync", "windows.json", |case| {
        let windows: Vec<SyncWindow> = serde_json::from_value(case["windows"].clone().into())
            .map_err(|error| error.to_string())?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let time = |value: &Value| value.as_str().and_then(Timestamp::parse);
        let destination = &case["destination"];
        let cluster = Cluster {
            server: text(&destination["server"]).into(),
            name: text(&destination["name"]).into(),
        };
        let namespace = text(&destination["namespace"]);
        let now = time(&case["now"]).unwrap_or_default();
        let of_all = case["application"].is_null();
        let all: Vec<SyncWindow> = windows
            .iter()
            .cloned()
            .map(|mut window| {
                if of_all {
                    // Such a case asks about the windows themselves.
                    window.applications = vec!["*".into()];
                    window.and_operator = false;
                }
                window
            })
            .collect();
        let windows = Windows::of(&all, &text(&case["application"]), &cluster, &namespace)
            .with_compat(Compat::ARGO_CD, now);
        let expected = case["expected"].as_object().ok_or("expected")?;
        let manual = case["manual"].as_bool().unwrap_or_default();
        let mut found = json!({});
        for field in expected.keys() {
            found[&**field] = match &**field {
                "matches" => json!(windows.numbers()),
                "active" => json!(windows.open(now).unwrap_or_default()),
                "inactiveAllows" => json!(windows.closed_allows(now).unwrap_or_default()),
                "canSync" => {
                    let verdict = windows.verdict(manual, now, time(&case["startedAt"]));
                    json!(verdict.is_ok_and(|verdict| verdict.is_open()))
                }
                "error" => {
                    let verdict = windows.verdict(manual, now, time(&case["startedAt"]));
                    json!(
                        verdict
                            .err()
                            .map(|error| format!("invalid sync windows: {error}"))
                    )
                }
                other => return Err(format!("unknown field {other}")),
            };
        }
        same("", &case["expected"], &found.into())
    });
}
