//! Manifests as values: reading, writing, cloning and comparing, beside `serde_json::Value`.
//!
//! `cargo bench -p gitops-benches --bench manifest`

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use gitops_manifest::Value;
use gitops_manifest::yaml::{self, EmitOptions, ParseOptions, Profile};
use input::workloads;

mod input;

fn text(criterion: &mut Criterion) {
    let yaml = workloads(200);
    let options = ParseOptions::default();
    let values = yaml::parse(&yaml, &options).expect("it is YAML");
    let list = Value::from(values.clone());
    let json = list.to_json();

    let mut group = criterion.benchmark_group("manifest/text");
    group.throughput(Throughput::Bytes(yaml.len() as u64));
    group.bench_function("parse yaml (sigs)", |bencher| {
        bencher.iter(|| yaml::parse(black_box(&yaml), &options));
    });
    let kyaml = ParseOptions::new(Profile::Kyaml);
    group.bench_function("parse yaml (kyaml)", |bencher| {
        bencher.iter(|| yaml::parse(black_box(&yaml), &kyaml));
    });
    group.bench_function("parse yaml as nodes", |bencher| {
        bencher.iter(|| yaml::parse_nodes(black_box(&yaml), &kyaml));
    });
    group.bench_function("write yaml", |bencher| {
        bencher.iter(|| yaml::emit_all(black_box(&values), &EmitOptions::default()));
    });
    group.throughput(Throughput::Bytes(json.len() as u64));
    group.bench_function("parse json", |bencher| {
        bencher.iter(|| Value::from_json(black_box(&json)));
    });
    group.bench_function("parse json, serde_json", |bencher| {
        bencher.iter(|| serde_json::from_str::<serde_json::Value>(black_box(&json)));
    });
    group.bench_function("parse json as yaml", |bencher| {
        bencher.iter(|| yaml::parse_one(black_box(&json), &options));
    });
    group.bench_function("write json", |bencher| {
        bencher.iter(|| black_box(&list).to_json());
    });
    group.bench_function("write json, serde_json", |bencher| {
        let list = serde_json::Value::from(&list);
        bencher.iter(|| serde_json::to_string(black_box(&list)));
    });
    group.finish();
}

/// What an engine does all day with objects that it holds.
fn values(criterion: &mut Criterion) {
    let yaml = workloads(200);
    let list = Value::from(yaml::parse(&yaml, &ParseOptions::default()).expect("it is YAML"));
    // The same content, sharing nothing: as desired and live objects are.
    let other = Value::from_json(list.to_json()).expect("it is JSON");
    let (json, other_json) = (
        serde_json::Value::from(&list),
        serde_json::Value::from(&other),
    );
    let replicas = |value: &mut Value| {
        let deployment = &mut value.as_array_mut().expect("a list").make_mut()[0];
        *deployment
            .at_mut(&["spec", "replicas"])
            .expect("it is there") = 5.into();
    };

    let mut group = criterion.benchmark_group("manifest/values");
    group.bench_function("clone", |bencher| bencher.iter(|| black_box(&list).clone()));
    group.bench_function("clone, serde_json", |bencher| {
        bencher.iter(|| black_box(&json).clone());
    });
    group.bench_function("clone and change one field", |bencher| {
        bencher.iter(|| {
            let mut copy = black_box(&list).clone();
            replicas(&mut copy);
            copy
        });
    });
    group.bench_function("clone and change one field, serde_json", |bencher| {
        bencher.iter(|| {
            let mut copy = black_box(&json).clone();
            copy[0]["spec"]["replicas"] = 5.into();
            copy
        });
    });
    group.bench_function("compare equal, shared", |bencher| {
        let same = list.clone();
        bencher.iter(|| black_box(&list) == black_box(&same));
    });
    group.bench_function("compare equal, apart", |bencher| {
        bencher.iter(|| black_box(&list) == black_box(&other));
    });
    group.bench_function("compare equal, apart, serde_json", |bencher| {
        bencher.iter(|| black_box(&json) == black_box(&other_json));
    });
    group.bench_function("drop", |bencher| {
        let json = list.to_json();
        bencher.iter_batched(
            || Value::from_json(&json).expect("it is JSON"),
            drop,
            BatchSize::SmallInput,
        );
    });
    group.bench_function("drop, serde_json", |bencher| {
        bencher.iter_batched(|| json.clone(), drop, BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, text, values);
criterion_main!(benches);
