//! What is allocated grows with the input and no faster: counted, not timed.
#![allow(missing_docs)]

use std::alloc::System;

use gitops_diff::compare::{CompareOptions, Strategy, compare};
use gitops_diff::ignore::IgnoreRules;
use gitops_diff::json_patch;
use gitops_diff::merge_patch;
use gitops_diff::schema::Schemas;
use gitops_diff::show::{self, ShowOptions};
use gitops_diff::strategic::{self, ThreeWayOptions};
use gitops_diff::structured::{self, Duplicates, FieldSet, Typed, WriteOptions};
use gitops_manifest::{Object, Value};
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn object(value: serde_json::Value) -> Object {
    Object::try_from(value).expect("it is an object")
}

/// A Deployment with this many variables and ports, in one order or the other.
fn deployment(count: usize, value: &str, reversed: bool) -> Object {
    let mut env: Vec<_> = (0..count)
        .map(|i| json!({"name": format!("NAME_{i:06}"), "value": format!("{value}-{i}")}))
        .collect();
    let mut ports: Vec<_> = (0..count)
        .map(|i| json!({"containerPort": i + 1, "protocol": "TCP", "name": format!("{value}-{i}")}))
        .collect();
    if reversed {
        env.reverse();
        ports.reverse();
    }
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [{"name": "web", "env": env, "ports": ports}]}}},
    }))
}

/// A custom resource with this many elements in a list, and a deep one.
fn custom(count: usize, value: &str) -> Object {
    let items: Vec<_> = (0..count)
        .map(|i| json!({"name": format!("item-{i:06}"), "value": format!("{value}-{i}"), "size": "1Gi"}))
        .collect();
    object(json!({
        "apiVersion": "example.com/v1", "kind": "Order", "metadata": {"name": "o"}, "spec": {"items": items},
    }))
}

/// The bytes that are allocated while something runs.
fn bytes(mut run: impl FnMut()) -> usize {
    run();
    let before = ALLOCATOR.stats();
    run();
    ALLOCATOR.stats().bytes_allocated - before.bytes_allocated
}

/// Four times the input may take four times the memory; growth of lists by doubling is allowed for.
fn grows_with_the_input(what: &str, cost: impl Fn(usize) -> usize) {
    let (small, large) = (cost(500), cost(2_000));
    assert!(
        large <= small * 6 + 64 * 1024,
        "{what}: {small} bytes for 500 elements, {large} for 2000"
    );
}

// One test: the counter is that of the process.
#[test]
fn memory_grows_with_the_input() {
    let options = CompareOptions::default().ignore(IgnoreRules::none());
    let schemas = Schemas::default();
    for strategy in [Strategy::ClientSide, Strategy::Structured] {
        for compat in [false, true] {
            let options = options.clone().strategy(strategy.clone()).compat(compat);
            let name = format!("comparison, {strategy:?}, compat {compat}");
            grows_with_the_input(&name, |count| {
                let (desired, live) = (deployment(count, "a", false), deployment(count, "b", true));
                bytes(|| {
                    let found = compare(Some(&desired), Some(&live), &options);
                    if let Ok(found) = found {
                        drop(show::unified(&found, &ShowOptions::default()));
                        drop(found.remarks());
                    }
                })
            });
            if matches!(strategy, Strategy::ClientSide) || !compat {
                grows_with_the_input(&format!("{name}, custom"), |count| {
                    let (desired, live) = (custom(count, "a"), custom(count, "b"));
                    bytes(|| drop(compare(Some(&desired), Some(&live), &options)))
                });
            }
        }
    }
    let ty = Schemas::builtin()
        .lookup("apps", "v1", "Deployment")
        .expect("the kind is built in");
    let pair = |count| {
        (
            deployment(count, "a", false).to_value(),
            deployment(count, "b", true).to_value(),
        )
    };
    grows_with_the_input("strategic merge patch", |count| {
        let (a, b) = pair(count);
        bytes(|| {
            let patch =
                strategic::create_three_way(&a, &b, &a, ty, &ThreeWayOptions::default()).unwrap();
            drop(strategic::apply(&a, &patch, ty).unwrap());
        })
    });
    grows_with_the_input("merge patch", |count| {
        let (a, b) = pair(count);
        bytes(|| drop(merge_patch::apply(&a, &merge_patch::create(&a, &b))))
    });
    grows_with_the_input("json patch", |count| {
        let (a, b) = pair(count);
        bytes(|| drop(json_patch::create(&a, &b).apply(&a).unwrap()))
    });
    grows_with_the_input("typed merge, compare and sets", |count| {
        let (a, b) = pair(count);
        let typed = |value: &Value| Typed::new(value.clone(), ty, Duplicates::Allow).unwrap();
        bytes(|| {
            let (a, b) = (typed(&a), typed(&b));
            drop(a.merge(&b).unwrap());
            let found = a.compare(&b);
            let text = a.field_set().union(&found.modified).to_json();
            drop(FieldSet::from_json(&text).unwrap());
        })
    });
    grows_with_the_input("server-side apply", |count| {
        let write = WriteOptions::new("me").force(true);
        let (a, b) = (deployment(count, "a", false), deployment(count, "b", true));
        let live = structured::apply(None, &a, &write, &schemas)
            .unwrap()
            .object;
        bytes(|| drop(structured::apply(Some(&live), &b, &write, &schemas).unwrap()))
    });
}
