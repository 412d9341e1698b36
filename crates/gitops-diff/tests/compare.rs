use gitops_diff::compare::{CompareOptions, compare};
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
        .ignore(IgnoreRules::none())
        .normalize(NormalizeOptions::default().ignore_aggregated_roles(aggregated))
        .compat(compat)
}

fn check(case: &Value) -> Result<(), String> {
    let (config, live) = (object(&case["config"]), object(&case["live"]));
    let comparison = compare(config.as_ref(), live.as_ref(), &options(case, true))
        .map_err(|error| error.to_string())?;
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

#[test]
fn conformance_gitops_diff_client_side() {
    let mut tally = Tally::new("gitops-diff (diff)");
    for (_, document) in documents("gitops-diff") {
        for case in cases(&document)
            .iter()
            .filter(|case| case["mode"].as_str() == Some("diff"))
        {
            tally.check(
                case["name"].as_str().expect("a case has a name"),
                check(case),
            );
        }
    }
    tally.finish();
}
