//! Structured merge and server-side apply of a Deployment: what `benches/peers/diff` measures of structured-merge-diff.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use gitops_diff::schema::Schemas;
use gitops_diff::structured::{
    Duplicates, FieldSet, Managers, Typed, WriteOptions, apply, predict, update,
};
use gitops_manifest::{Object, Value};

const OBJECTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/bench/objects");

fn read(name: &str) -> Option<Object> {
    let text = std::fs::read(format!("{OBJECTS}/{name}.json")).ok()?;
    Object::try_from(Value::from_json(text).ok()?).ok()
}

/// A desired Deployment, and the same applied by a server.
fn deployment(schemas: &Schemas) -> (Object, Object) {
    if let (Some(desired), Some(live)) = (read("deployment.desired"), read("deployment.live-ssa")) {
        return (desired, live);
    }
    let env: Vec<_> = (0..20)
        .map(|i| serde_json::json!({"name": format!("NAME_{i}"), "value": format!("value-{i}")}))
        .collect();
    let desired = Object::try_from(serde_json::json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web", "tier": "front"}},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{
                "name": "web", "image": "registry.example.com/web:1.2.3", "env": env,
                "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}],
                "resources": {"requests": {"cpu": "250m", "memory": "128Mi"}},
                "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
            }]},
        }},
    }))
    .expect("it is an object");
    let live = apply(None, &desired, &options(), schemas)
        .expect("it can be created")
        .object;
    (desired, live)
}

fn options() -> WriteOptions {
    WriteOptions::new("argocd-controller").time("2026-03-01T10:00:00Z")
}

fn benches(c: &mut Criterion) {
    let schemas = Schemas::default();
    let (desired, live) = deployment(&schemas);
    let ty = schemas.of(&desired).expect("the kind is built in");
    let typed = |object: &Object| {
        Typed::new(object.to_value(), ty, Duplicates::Allow).expect("the object fits")
    };
    let (a, b) = (typed(&live), typed(&desired));
    let fields = a.field_set();
    let json = fields.to_json();
    let mut drifted = desired.clone();
    drifted
        .as_map_mut()
        .entry_object("spec")
        .insert("replicas", 7);

    let mut group = c.benchmark_group("structured/deployment");
    group.bench_function("read into its type", |bench| {
        bench.iter(|| typed(black_box(&live)));
    });
    group.bench_function("field set", |bench| {
        bench.iter(|| black_box(&a).field_set());
    });
    group.bench_function("merge", |bench| {
        bench.iter(|| black_box(&a).merge(black_box(&b)));
    });
    group.bench_function("compare", |bench| {
        bench.iter(|| black_box(&a).compare(black_box(&b)));
    });
    group.bench_function("write a set", |bench| {
        bench.iter(|| black_box(&fields).to_json());
    });
    group.bench_function("read a set", |bench| {
        bench.iter(|| FieldSet::from_json(black_box(&json)));
    });
    group.bench_function("read managed fields", |bench| {
        bench.iter(|| Managers::of(black_box(&live)));
    });
    group.bench_function("apply, in sync", |bench| {
        bench.iter(|| {
            apply(
                Some(black_box(&live)),
                black_box(&desired),
                &options(),
                &schemas,
            )
        });
    });
    group.bench_function("predict, drifted", |bench| {
        bench.iter(|| {
            predict(
                Some(black_box(&live)),
                black_box(&drifted),
                &options(),
                &schemas,
            )
        });
    });
    group.bench_function("update", |bench| {
        bench.iter(|| {
            update(
                Some(black_box(&live)),
                black_box(&drifted),
                &options(),
                &schemas,
            )
        });
    });
    group.finish();
}

criterion_group!(structured, benches);
criterion_main!(structured);
