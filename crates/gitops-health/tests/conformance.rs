//! The recorded suites: results of Argo CD and of kstatus.

use std::time::{Duration, SystemTime};

use gitops_health::kstatus::{self, Outcome};
use gitops_health::{Assessment, Context, Strategy, assess};
use gitops_manifest::Value;

use crate::support::{Tally, cases, manifest, object, patch, suites};

/// When the suites were recorded: long after the objects in them were made.
fn recorded() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

/// Compares an assessment with the expected status and message; a message of `null` is not compared.
fn same(got: Option<&Assessment>, case: &Value) -> Result<(), String> {
    let status = got.map(|health| health.status.as_str());
    let message = got.map_or("", |health| health.message.as_str());
    if status != case["status"].as_str() {
        return Err(format!(
            "{status:?} {message:?}, not {:?} {:?}",
            case["status"], case["message"]
        ));
    }
    match case["message"].as_str() {
        Some(expected) if expected != message => Err(format!("says {message:?}, not {expected:?}")),
        _ => Ok(()),
    }
}

fn argo_cd(suite: &'static str, strategy: Strategy) {
    let Some(root) = suites().map(|root| root.join(suite)) else {
        return;
    };
    let Some(cases) = cases(&root, "cases.json") else {
        return;
    };
    let context = Context::new().with_strategy(strategy).with_now(recorded());
    let mut tally = Tally::new(suite);
    for case in &cases {
        let mut manifest = manifest(&root.join(case["input"].as_str().expect("an input")));
        if case["deleting"] == Value::Bool(true) {
            // The case asks for the kind's own rule, which comes after deletion: a hook keeps its result.
            let finalizers = vec![Value::from("argocd.argoproj.io/hook-finalizer")];
            let metadata = manifest
                .at_mut(&["metadata"])
                .and_then(Value::as_object_mut);
            let had = metadata.expect("metadata").insert("finalizers", finalizers);
            if let Some(had) = had {
                let list = manifest
                    .at_mut(&["metadata", "finalizers"])
                    .and_then(Value::as_array_mut);
                list.expect("finalizers")
                    .make_mut()
                    .extend(had.as_array().expect("a list").to_vec());
            }
        }
        let got = assess(&object(manifest), &context);
        tally.check(
            case["name"].as_str().unwrap_or("?"),
            same(got.as_ref(), case),
        );
    }
    tally.finish();
}

#[test]
fn conformance_engine() {
    argo_cd("gitops-engine", Strategy::GitopsEngine);
}

#[test]
fn conformance_customizations() {
    argo_cd("resource-customizations", Strategy::ArgoCd);
}

#[test]
fn conformance_derived_argocd() {
    let Some(root) = suites() else { return };
    let Some(cases) = cases(&root, "derived/argocd.json") else {
        return;
    };
    let context = Context::new()
        .with_strategy(Strategy::ArgoCd)
        .with_now(recorded());
    let mut tally = Tally::new("derived/argocd");
    for case in &cases {
        let mut manifest = manifest(&root.join(case["base"].as_str().expect("a base")));
        patch(&mut manifest, &case["patch"]);
        let got = assess(&object(manifest), &context);
        tally.check(
            case["name"].as_str().unwrap_or("?"),
            same(got.as_ref(), case),
        );
    }
    tally.finish();
}

/// Compares the status and the conditions that kstatus would report.
fn same_outcome(got: &Outcome, case: &Value, exactly: bool) -> Result<(), String> {
    if Some(got.status.to_string().as_str()) != case["status"].as_str() {
        return Err(format!("{got:?}, not {:?}", case["status"]));
    }
    let expected = case["conditions"].as_array().expect("conditions");
    let told = |condition: &Value| {
        condition["type"].as_str() == got.condition()
            && condition["status"].as_str() == Some("True")
            && condition["reason"].as_str() == Some(got.reason.as_str())
    };
    if !expected.iter().all(told) || exactly && expected.is_empty() != got.condition().is_none() {
        return Err(format!(
            "{:?} {}, not {expected:?}",
            got.condition(),
            got.reason
        ));
    }
    let absent = case["absentConditions"].as_array();
    if absent.is_some_and(|absent| absent.iter().any(|kind| kind.as_str() == got.condition())) {
        return Err(format!("{:?}, that must be absent", got.condition()));
    }
    Ok(())
}

#[test]
fn conformance_kstatus() {
    let Some(root) = suites().map(|root| root.join("kstatus")) else {
        return;
    };
    let Some(cases) = cases(&root, "cases.json") else {
        return;
    };
    let mut tally = Tally::new("kstatus");
    for case in &cases {
        let manifest = manifest(&root.join(case["input"].as_str().expect("an input")));
        // The only time in the suite is five seconds after the start of 2020.
        let now = match case["now"].as_str() {
            Some("2020-01-01T00:00:05Z") => {
                SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_805)
            }
            Some(other) => panic!("an unknown time: {other}"),
            None => recorded(),
        };
        let got = kstatus::assess(&object(manifest), Some(now));
        tally.check(
            case["name"].as_str().unwrap_or("?"),
            same_outcome(&got, case, false),
        );
    }
    tally.finish();
}

#[test]
fn conformance_derived_kstatus() {
    let Some(root) = suites() else { return };
    let Some(cases) = cases(&root, "derived/kstatus.json") else {
        return;
    };
    let mut tally = Tally::new("derived/kstatus");
    for case in &cases {
        let mut manifest = manifest(&root.join(case["base"].as_str().expect("a base")));
        patch(&mut manifest, &case["patch"]);
        let got = kstatus::assess(&object(manifest), Some(recorded()));
        tally.check(
            case["name"].as_str().unwrap_or("?"),
            same_outcome(&got, case, true),
        );
    }
    tally.finish();
}
