use gitops_diff::compare::{CompareOptions, Strategy, compare};
use gitops_diff::ignore::IgnoreRules;
use gitops_diff::normalize::NormalizeOptions;
use gitops_manifest::{Object, Value};

use crate::support::{Tally, cases, documents, same};

fn object(value: &Value) -> Option<Object> {
    Object::try_from(value.clone()).ok()
}

/// What the gitops-engine compares with: no ignore rules.
fn options(case: &Value, compat: bool) -> CompareOptions {
    let aggregated = case.at(&["options", "ignoreAggregatedRoles"]) == Some(&Value::Bool(true));
    CompareOptions::default()
        .strategy(strategy(case))
        .ignore(IgnoreRules::none())
        .normalize(NormalizeOptions::default().ignore_aggregated_roles(aggregated))
        .compat(compat)
}

fn strategy(case: &Value) -> Strategy {
    match case["mode"].as_str() {
        Some("structured-merge") => Strategy::Structured,
        Some("server-side") => Strategy::DryRun {
            answer: Box::new(object(&case["predicted"]).expect("the case has an answer")),
            keep_webhook_mutations: case.at(&["options", "keepWebhookMutations"])
                == Some(&Value::Bool(true)),
        },
        _ => Strategy::ClientSide,
    }
}

fn check(case: &Value) -> Result<(), String> {
    let (config, live) = (object(&case["config"]), object(&case["live"]));
    let comparison = compare(config.as_ref(), live.as_ref(), &options(case, true));
    if case["expect"].get("error").is_some() {
        return match comparison {
            Err(_) => Ok(()),
            Ok(_) => Err("it should fail".to_owned()),
        };
    }
    let comparison = comparison.map_err(|error| error.to_string())?;
    let expect = &case["expect"];
    same(
        "modified",
        &comparison.is_modified().into(),
        &expect["modified"],
    )
    .map_err(|error| {
        let found: Vec<_> = comparison.differences.iter().map(|d| d.explain()).collect();
        format!("{error} {found:?}")
    })?;
    same(
        "live",
        &comparison.live().unwrap_or_default(),
        &expect["live"],
    )?;
    same(
        "predicted",
        &comparison.predicted().unwrap_or_default(),
        &expect["predicted"],
    )
}

fn conformance(name: &'static str, mode: &str) {
    let mut tally = Tally::new(name);
    for (_, document) in documents("gitops-diff") {
        for case in cases(&document)
            .iter()
            .filter(|case| case["mode"].as_str() == Some(mode))
        {
            tally.check(
                case["name"].as_str().expect("a case has a name"),
                check(case),
            );
        }
    }
    tally.finish();
}

#[test]
fn conformance_gitops_diff_client_side() {
    conformance("gitops-diff (diff)", "diff");
}

#[test]
fn conformance_gitops_diff_structured() {
    conformance("gitops-diff (structured-merge)", "structured-merge");
}

#[test]
fn conformance_gitops_diff_server_side() {
    conformance("gitops-diff (server-side)", "server-side");
}
