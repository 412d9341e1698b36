use gitops_diff::compare::{CompareOptions, Status, Strategy, Why, compare};
use gitops_diff::ignore::IgnoreRules;
use gitops_diff::normalize::NormalizeOptions;
use gitops_manifest::{Object, Value};
use serde_json::json;

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

/// What is mended by default, by the names of cases that record it.
const MENDED: [&str; 6] = [
    "env-duplicate-name",
    "custom-null-in-both",
    "custom-large-integer",
    "custom-quantity-form",
    "service-same-port-udp",
    "ports-same-number-two-protocols",
];

#[test]
fn conformance_default_verdicts() {
    let mut tally = Tally::new("gitops-diff (verdicts by default)");
    for (_, document) in documents("gitops-diff") {
        for case in cases(&document) {
            if !matches!(
                case["mode"].as_str(),
                Some("diff" | "structured-merge" | "server-side")
            ) {
                continue;
            }
            let name = case["name"].as_str().expect("a case has a name");
            let (config, live) = (object(&case["config"]), object(&case["live"]));
            let comparison = compare(config.as_ref(), live.as_ref(), &options(case, false));
            let verdict = match (comparison, case["expect"]["modified"].as_bool()) {
                (Ok(comparison), Some(want)) if comparison.is_modified() == want => Ok(()),
                // Where the peer has no answer there is one.
                (Ok(_), None) => Ok(()),
                (Ok(_), Some(_)) if MENDED.iter().any(|mended| name.contains(mended)) => Ok(()),
                (Ok(comparison), Some(true))
                    if name.contains("/StatefulSet/") && name.ends_with("/structured") =>
                {
                    assert!(!comparison.is_modified());
                    Ok(())
                }
                (Ok(comparison), want) => {
                    Err(format!("want {want:?}, found {:?}", comparison.differences))
                }
                (Err(error), _) => Err(error.to_string()),
            };
            tally.check(name, verdict);
        }
    }
    tally.finish();
}

fn made(value: serde_json::Value) -> Object {
    Object::try_from(value).expect("the object is well formed")
}

/// Live as it was applied: with the last-applied annotation.
fn applied(object: &Object, last: &Object) -> Object {
    let mut live = object.clone();
    live.set_annotation(
        gitops_diff::compare::LAST_APPLIED,
        last.to_value().to_json(),
    );
    live
}

#[allow(clippy::needless_pass_by_value)]
fn custom(spec: serde_json::Value) -> Object {
    made(
        json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": spec}),
    )
}

/// Whether live differs, by default and as Argo CD has it.
fn modified(desired: &Object, live: &Object) -> (bool, bool) {
    let options = CompareOptions::default();
    let of = |options: &CompareOptions| {
        compare(Some(desired), Some(live), options)
            .unwrap()
            .is_modified()
    };
    (of(&options), of(&options.clone().compat(true)))
}

#[allow(clippy::needless_pass_by_value)]
fn service(ports: serde_json::Value) -> Object {
    made(
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "dns"}, "spec": {
        "type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster", "ports": ports}}),
    )
}

#[test]
fn two_ports_of_one_number_are_two() {
    let port =
        |name, protocol| json!({"name": name, "port": 53, "protocol": protocol, "targetPort": 53});
    let both = service(json!([port("tcp", "TCP"), port("udp", "UDP")]));
    assert_eq!(modified(&both, &applied(&both, &both)), (false, false));
    let live = applied(
        &service(json!([port("udp", "UDP")])),
        &service(json!([port("udp", "UDP")])),
    );
    let comparison = compare(Some(&both), Some(&live), &CompareOptions::default()).unwrap();
    let predicted = comparison.predicted().unwrap();
    assert_eq!(
        predicted.at(&["spec", "ports"]),
        both.at(&["spec", "ports"])
    );
    assert_eq!(comparison.differences.len(), 1);
    assert_eq!(
        comparison.differences[0].path.to_string(),
        "spec.ports[port=53,protocol=TCP]"
    );
}

#[test]
fn a_name_that_occurs_twice_hides_no_change() {
    let pod = |env: serde_json::Value| {
        made(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
            "containers": [{"name": "c", "image": "x", "env": env}]}}),
        )
    };
    let once = pod(json!([{"name": "A", "value": "1"}]));
    let twice = pod(json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]));
    assert_eq!(modified(&twice, &applied(&once, &once)), (true, false));
}

#[test]
fn integers_beyond_doubles_are_told_apart() {
    let (desired, live) = (
        custom(json!({"n": 9_007_199_254_740_993_i64})),
        custom(json!({"n": 9_007_199_254_740_992_i64})),
    );
    assert_eq!(modified(&desired, &applied(&live, &desired)), (true, false));
}

#[test]
fn a_null_on_both_sides_is_no_difference() {
    let object = custom(json!({"n": null}));
    // With last-applied that lacks the field, Argo CD removes it from live for ever.
    assert_eq!(
        modified(&object, &applied(&object, &custom(json!({})))),
        (false, true)
    );
}

#[test]
fn quantities_and_durations_of_custom_resources_are_compared_by_value() {
    let desired = custom(json!({"memory": "1024Mi", "timeout": "90m", "version": "1.10"}));
    let live = custom(json!({"memory": "1Gi", "timeout": "1h30m0s", "version": "1.10"}));
    assert_eq!(modified(&desired, &applied(&live, &desired)), (false, true));
    let comparison = compare(
        Some(&desired),
        Some(&applied(&live, &desired)),
        &CompareOptions::default(),
    )
    .unwrap();
    let remarks: Vec<_> = comparison
        .remarks()
        .into_iter()
        .filter(|remark| remark.why == Why::SameValue)
        .collect();
    assert_eq!(remarks.len(), 2);
    let other = custom(json!({"memory": "1024Mi", "timeout": "90m", "version": "1.1"}));
    assert_eq!(modified(&desired, &applied(&other, &desired)), (true, true));
}

#[test]
fn an_unknown_field_leaves_the_rest_normalised() {
    let pod = |cpu: &str, unknown: bool| {
        let mut pod = made(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
            "containers": [{"name": "c", "image": "x", "resources": {"limits": {"cpu": cpu}, "requests": {"cpu": cpu}}}]}}),
        );
        if unknown {
            pod.as_map_mut()
                .entry_object("spec")
                .insert("unknown", true);
        }
        pod
    };
    let desired = pod("1000m", true);
    let live = applied(&pod("1", true), &desired);
    assert_eq!(modified(&desired, &live), (false, true));
}

#[test]
fn claims_that_the_server_filled_in_are_in_sync_under_structured_merge() {
    let set = |claim: serde_json::Value| {
        made(
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s"}, "spec": {
            "serviceName": "s", "volumeClaimTemplates": [claim]}}),
        )
    };
    let desired = set(
        json!({"metadata": {"name": "d"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}),
    );
    let live = set(
        json!({"metadata": {"name": "d"}, "spec": {"storageClassName": "standard", "resources": {"requests": {"storage": "1Gi"}}}}),
    );
    let options = CompareOptions::default().strategy(Strategy::Structured);
    let of = |options: &CompareOptions| {
        compare(Some(&desired), Some(&live), options)
            .unwrap()
            .is_modified()
    };
    assert!(!of(&options));
    assert!(of(&options.compat(true)));
}

#[test]
fn a_field_without_schema_does_not_stop_a_structured_comparison() {
    let map = |value: &str| {
        made(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": value}, "unknown": 1}),
        )
    };
    let options = CompareOptions::default().strategy(Strategy::Structured);
    let comparison = compare(Some(&map("1")), Some(&map("2")), &options).unwrap();
    assert_eq!(comparison.differences[0].path.to_string(), "data.a");
    assert!(compare(Some(&map("1")), Some(&map("2")), &options.compat(true)).is_err());
}

#[test]
fn each_difference_says_why_and_proposes_its_rule() {
    let desired = made(
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"new": "1"}}, "spec": {
        "replicas": 2, "template": {"spec": {"containers": [{"name": "web", "image": "web:2", "env": [{"name": "A", "value": "1"}]}]}}}}),
    );
    let mut last = desired.clone();
    last.metadata_mut()
        .insert("labels", gitops_manifest::Map::from([("old", "1")]));
    let mut live = applied(&last, &last);
    let spec = live.as_map_mut().entry_object("spec");
    spec.insert("replicas", 5);
    spec.insert("paused", true);
    live.metadata_mut().insert("managedFields", Value::from(json!([
        {"manager": "hpa", "operation": "Update", "apiVersion": "apps/v1", "time": "2026-03-01T10:00:00Z", "fieldsType": "FieldsV1",
         "fieldsV1": {"f:spec": {"f:replicas": {}}}},
    ])));
    let comparison = compare(Some(&desired), Some(&live), &CompareOptions::default()).unwrap();
    let told: Vec<_> = comparison.differences.iter().map(|d| d.explain()).collect();
    assert_eq!(
        told,
        [
            r#"metadata.labels.new is new in the desired object: "1""#,
            r#"metadata.labels.old was applied before and is no longer desired; live still has "1""#,
            "spec.replicas was changed to 5 in live by hpa (update at 2026-03-01T10:00:00Z); desired is 2",
        ]
    );
    let remarks = comparison.remarks();
    assert!(
        remarks
            .iter()
            .any(|remark| remark.path.to_string() == "spec.paused" && remark.desired.is_none())
    );
    // The proposed rules leave nothing.
    let rules: Vec<_> = comparison
        .differences
        .iter()
        .map(|d| d.ignore_rule(&desired))
        .collect();
    let options = CompareOptions::default().ignore(
        IgnoreRules::new(&rules)
            .unwrap()
            .then(IgnoreRules::server_fields()),
    );
    assert!(
        !compare(Some(&desired), Some(&live), &options)
            .unwrap()
            .is_modified()
    );
}

#[test]
fn a_rule_for_an_element_names_it_by_its_key() {
    let deployment = |image: &str| {
        made(
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": {"spec": {
            "containers": [{"name": "a", "image": "a"}, {"name": "web", "image": image}]}}}}),
        )
    };
    let live = applied(&deployment("x"), &deployment("x"));
    let comparison = compare(
        Some(&deployment("y")),
        Some(&live),
        &CompareOptions::default(),
    )
    .unwrap();
    let rule = comparison.differences[0].ignore_rule(&live);
    assert_eq!(
        rule.jq_path_expressions,
        [r#".spec.template.spec.containers[] | select(.name == "web") | .image"#]
    );
    let options = CompareOptions::default().ignore(IgnoreRules::new(&[rule]).unwrap());
    assert!(
        !compare(Some(&deployment("y")), Some(&live), &options)
            .unwrap()
            .is_modified()
    );
}

#[test]
fn objects_that_are_only_on_one_side() {
    let object = custom(json!({}));
    let options = CompareOptions::default();
    assert_eq!(
        compare(Some(&object), None, &options).unwrap().status,
        Status::Missing
    );
    assert_eq!(
        compare(None, Some(&object), &options).unwrap().status,
        Status::Extra
    );
    assert!(compare(None, None, &options).is_err());
}

#[test]
fn lists_without_keys_are_compared_as_a_whole() {
    let pod = |env: &str| {
        made(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
            "containers": [{"name": "c", "image": "x", "env": [{"value": env}]}]}}),
        )
    };
    let options = CompareOptions::default();
    assert!(
        !compare(Some(&pod("1")), Some(&pod("1")), &options)
            .unwrap()
            .is_modified()
    );
    assert!(
        compare(Some(&pod("1")), Some(&pod("2")), &options)
            .unwrap()
            .is_modified()
    );
    assert!(compare(Some(&pod("1")), Some(&pod("2")), &options.compat(true)).is_err());
}

#[test]
fn parts_that_the_server_writes_empty_are_none() {
    let slice = |endpoint: serde_json::Value| {
        made(json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "e"},
            "addressType": "IPv4", "endpoints": [endpoint], "ports": [{"name": "web", "port": 80, "protocol": "TCP"}],
        }))
    };
    let bare = slice(json!({"addresses": ["192.0.2.1"]}));
    // As an API server of 1.36 answers.
    let filled = slice(json!({"addresses": ["192.0.2.1"], "conditions": {}}));
    assert_eq!(modified(&bare, &applied(&filled, &bare)), (false, true));
    assert!(!modified(&filled, &applied(&bare, &filled)).0);
    // A pointer tells nothing from empty.
    let hinted = slice(json!({"addresses": ["192.0.2.1"], "hints": {}}));
    assert!(modified(&bare, &applied(&hinted, &bare)).0);
    let ready = slice(json!({"addresses": ["192.0.2.1"], "conditions": {"ready": true}}));
    assert!(modified(&bare, &applied(&ready, &bare)).0);
}

#[test]
fn endpoints_in_another_order_are_the_same() {
    let endpoints = |addresses: &[&str], ports: &[i32]| {
        let addresses: Vec<_> = addresses.iter().map(|ip| json!({"ip": ip})).collect();
        let ports: Vec<_> = ports
            .iter()
            .map(|port| json!({"name": format!("p{port}"), "port": port}))
            .collect();
        made(
            json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "e"},
            "subsets": [{"addresses": addresses, "ports": ports}]}),
        )
    };
    let (a, b) = (
        endpoints(&["10.0.0.2", "10.0.0.1"], &[1, 2]),
        endpoints(&["10.0.0.1", "10.0.0.2"], &[2, 1]),
    );
    assert_eq!(modified(&a, &b), (false, false));
    assert_eq!(
        modified(&a, &endpoints(&["10.0.0.1"], &[2, 1])),
        (true, true)
    );
}

/// What an API server fills in of a structural schema (`apiextensions-apiserver`, defaulting) is no drift of a custom resource.
#[test]
fn defaults_of_custom_resources_are_those_of_their_schema() {
    let made = |value: serde_json::Value| object(&Value::from(value)).expect("it is an object");
    let mut schemas = gitops_diff::schema::Schemas::default();
    schemas
        .register_crd(&made(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "orders.example.com"},
            "spec": {"group": "example.com", "names": {"kind": "Order"}, "versions": [
                {"name": "v1", "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
                    "type": "object", "properties": {
                        "mode": {"type": "string", "default": "auto"},
                        "items": {"type": "array", "items": {"type": "object", "properties": {
                            "name": {"type": "string"}, "size": {"type": "integer", "default": 1},
                        }}},
                    },
                }}}}},
            ]},
        })))
        .unwrap();
    let order = |spec: serde_json::Value| {
        made(
            json!({"apiVersion": "example.com/v1", "kind": "Order", "metadata": {"name": "o"}, "spec": spec}),
        )
    };
    let options = CompareOptions::default().schemas(schemas);
    let desired = order(json!({"items": [{"name": "a"}, {"name": "b"}]}));

    // The list is owned as a whole, and what was applied is not what is there.
    let mut live = order(
        json!({"mode": "auto", "items": [{"name": "a", "size": 1}, {"name": "b", "size": 1}]}),
    );
    live.metadata_mut().insert(
        "managedFields",
        Value::from(json!([{
            "manager": "argocd-controller", "operation": "Apply", "apiVersion": "example.com/v1",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:items": {}}},
        }])),
    );
    let structured = options.clone().strategy(Strategy::Structured);
    let found = compare(Some(&desired), Some(&live), &structured).unwrap();
    assert_eq!(found.status, Status::InSync, "{found:?}");

    // A field that is taken away falls back to its default.
    let before = order(json!({"mode": "fast", "items": [{"name": "a"}, {"name": "b"}]}));
    let mut live = order(
        json!({"mode": "fast", "items": [{"name": "a", "size": 1}, {"name": "b", "size": 1}]}),
    );
    live.set_annotation(
        gitops_diff::compare::LAST_APPLIED,
        before.to_value().to_json(),
    );
    let found = compare(Some(&desired), Some(&live), &options).unwrap();
    let told: Vec<_> = found
        .differences
        .iter()
        .map(|difference| difference.explain())
        .collect();
    assert_eq!(
        told,
        ["spec.mode is \"fast\" in live and falls back to the default, \"auto\""]
    );

    // A new element has its defaults in what is predicted, and those that move keep theirs.
    let longer = order(json!({"items": [{"name": "new"}, {"name": "a"}, {"name": "b"}]}));
    let found = compare(Some(&longer), Some(&live), &options).unwrap();
    let predicted = found.predicted().unwrap();
    let sizes = predicted
        .at(&["spec", "items"])
        .and_then(Value::as_array)
        .unwrap();
    assert!(
        sizes.iter().all(|item| item["size"].as_i64() == Some(1)),
        "{predicted}"
    );
}

/// A rule that is proposed does what it is proposed for, on every difference and both strategies.
#[test]
fn proposed_rules_silence_what_they_are_proposed_for() {
    let made = |value: serde_json::Value| object(&Value::from(value)).expect("it is an object");
    let deployment = |image: &str, replicas: i32, size: &str, label: &str| {
        made(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "labels": {"a/b~c": label}},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": [
                {"name": "web", "image": image, "args": ["--size", size],
                 "env": [{"name": "SIZE", "value": size}],
                 "ports": [{"containerPort": 80, "name": size}]},
            ]}}},
        }))
    };
    let desired = deployment("web:2", 2, "a", "x");
    let live = deployment("web:1", 5, "b", "y");
    let options = CompareOptions::default();
    let mut rules = Vec::new();
    let found = compare(Some(&desired), Some(&live), &options).unwrap();
    assert!(found.differences.len() >= 6, "{found:?}");
    for difference in &found.differences {
        let rule = difference.ignore_rule(&desired);
        let ignore = IgnoreRules::new(std::slice::from_ref(&rule)).unwrap();
        let left = compare(Some(&desired), Some(&live), &options.clone().ignore(ignore)).unwrap();
        assert!(
            left.differences
                .iter()
                .all(|left| left.path != difference.path),
            "{rule:?} leaves {}",
            difference.path
        );
        assert_eq!(
            left.differences.len() + 1,
            found.differences.len(),
            "{rule:?} silences others too"
        );
        rules.push(rule);
    }
    let ignore = IgnoreRules::new(&rules).unwrap();
    let left = compare(
        Some(&desired),
        Some(&live),
        &options.clone().ignore(ignore.clone()),
    )
    .unwrap();
    assert_eq!(left.status, Status::InSync);
    // On the apply too.
    let applied = ignore.respect(&desired, &live);
    assert!(
        compare(Some(&applied), Some(&live), &options)
            .unwrap()
            .differences
            .is_empty()
    );
}

/// The path of a port has the protocol that the server fills in; desired need not.
#[test]
fn a_new_port_is_new_in_desired() {
    let deployment = |port: i32| {
        let ports = json!([{"containerPort": port}]);
        let containers = json!([{"name": "web", "image": "web:1", "ports": ports}]);
        object(&Value::from(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"template": {"spec": {"containers": containers}}},
        })))
        .expect("it is an object")
    };
    let mut live = deployment(80);
    live.set_annotation(
        gitops_diff::compare::LAST_APPLIED,
        deployment(80).to_value().to_json(),
    );
    let found = compare(
        Some(&deployment(81)),
        Some(&live),
        &CompareOptions::default(),
    )
    .unwrap();
    let whys: Vec<_> = found
        .differences
        .iter()
        .map(|difference| difference.why.clone())
        .collect();
    assert_eq!(
        whys,
        [Why::RemovedFromDesired, Why::ChangedInDesired],
        "{found:?}"
    );
}
