//! Structured merge and server-side apply of a Deployment: what `benches/peers/diff` measures of structured-merge-diff.
#![allow(missing_docs, clippy::disallowed_methods)]

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use gitops_benches::objects::{self, Inputs};
use gitops_diff::schema::Schemas;
use gitops_diff::structured::{
    Duplicates, FieldSet, Managers, Typed, WriteOptions, apply, predict, update,
};
use gitops_manifest::Object;

/// A desired Deployment, and the same applied by a server.
fn deployment() -> (Object, Object) {
    let inputs = Inputs::find(std::env::var_os("GITOPS_BENCH_OBJECTS").map(PathBuf::from));
    let read = |state| objects::object(inputs.folder(), &format!("deployment.{state}.json"));
    (read("desired"), read("live-ssa"))
}

fn options() -> WriteOptions {
    WriteOptions::new("argocd-controller").time("2026-03-01T10:00:00Z")
}

fn benches(c: &mut Criterion) {
    let schemas = Schemas::default();
    let (desired, live) = deployment();
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
