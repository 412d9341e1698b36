use std::collections::BTreeMap;
use std::sync::Arc;

use gitops_core::application::{AppProject, AppProjectSpec, ProjectRole};
use gitops_core::rbac::{Claims, Enforcer, EnforcerOptions, MatchMode, Request, user_policy};
use gitops_manifest::{Str, Value};

use super::check;

#[test]
fn conformance_project_rbac() {
    check("project", "rbac.json", |case| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut options = EnforcerOptions::default();
        options.policy = match &case["data"] {
            Value::Null => text(&case["policy"]),
            data => {
                let data: BTreeMap<String, String> =
                    serde_json::from_value(data.clone().into()).map_err(|e| e.to_string())?;
                user_policy(&data)
            }
        };
        options.builtin = case["builtin"].as_bool().unwrap_or_default();
        options.default_role = text(&case["defaultRole"]).into();
        options.match_mode = match case["matchMode"].as_str() {
            Some("regex") => MatchMode::Regex,
            _ => MatchMode::Glob,
        };
        if let Some(scopes) = case["scopes"].as_array() {
            options.scopes = scopes.iter().map(|scope| text(scope).into()).collect();
        }
        let enforcer = match (Enforcer::new(&options), case["policyError"].as_bool()) {
            (Err(_), Some(true)) => return Ok(()),
            (Ok(_), Some(true)) => return Err("the policy was read".into()),
            (Err(error), _) => return Err(error.to_string()),
            (Ok(enforcer), _) => enforcer,
        };
        let mut projects: BTreeMap<Str, Arc<AppProject>> = BTreeMap::new();
        for project in case["projects"].as_array().into_iter().flatten() {
            let roles: Vec<ProjectRole> = serde_json::from_value(project["roles"].clone().into())
                .map_err(|e| e.to_string())?;
            let name = text(&project["name"]);
            let spec = AppProjectSpec {
                roles,
                ..Default::default()
            };
            projects.insert(name.as_str().into(), Arc::new(AppProject::new(name, spec)));
        }
        let claims = match &case["claims"] {
            Value::Null => None,
            claims => Some(Claims::from_json(&claims.to_json()).map_err(|e| e.to_string())?),
        };
        let mut wrong = Vec::new();
        for request in case["requests"].as_array().into_iter().flatten() {
            let asked = Request {
                resource: request["resource"].as_str().unwrap_or_default(),
                action: request["action"].as_str().unwrap_or_default(),
                object: request["object"].as_str().unwrap_or_default(),
            };
            let allowed = match &claims {
                Some(claims) => enforcer.permits_claims(claims, &asked, &projects),
                None => enforcer.permits(&text(&case["subject"]), &asked),
            };
            if request["allowed"].as_bool() != Some(allowed) {
                wrong.push(format!("{asked:?}: found {allowed}"));
            }
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(wrong.join("\n    "))
        }
    });
}
