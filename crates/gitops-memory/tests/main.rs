//! Tests of the in-memory implementations.
#![allow(clippy::disallowed_methods)]

mod api;
mod clock;
mod contract;
mod faults;
mod prediction;
mod target;
mod workload;

use gitops_core::ApplyOptions;
use gitops_manifest::{Object, ObjectKey};
use gitops_memory::{MemoryTarget, SimClock};

/// Reads an object of JSON.
fn object(value: serde_json::Value) -> Object {
    Object::try_from(value).expect("the object of a test is one")
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "reads better where it is called"
)]
fn config_map(name: &str, data: serde_json::Value) -> Object {
    object(serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"}, "data": data,
    }))
}

fn key(group: &str, kind: &str, name: &str) -> ObjectKey {
    ObjectKey::new(group, kind, "default", name)
}

fn ssa() -> ApplyOptions {
    ApplyOptions::server_side("test")
}

/// Carries out a test on a cluster of its own.
fn run<T>(test: impl AsyncFnOnce(MemoryTarget, SimClock) -> T) -> T {
    let clock = SimClock::new();
    let target = MemoryTarget::new(std::sync::Arc::new(clock.clone()));
    clock.clone().run(test(target, clock))
}

#[test]
fn every_file_of_tests_is_listed() {
    let listed = include_str!("main.rs");
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")).unwrap();
    for file in folder {
        let name = file.unwrap().file_name().into_string().unwrap();
        let Some(module) = name.strip_suffix(".rs").filter(|name| *name != "main") else {
            continue;
        };
        assert!(
            listed.contains(&format!("mod {module};")),
            "{name} is not listed"
        );
    }
}
