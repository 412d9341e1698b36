//! Comparisons: from parsed objects to the verdict with reasons.
#![allow(clippy::disallowed_methods)]

use std::path::PathBuf;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gitops_benches::objects::{self, Inputs};
use gitops_diff::compare::{CompareOptions, compare};

/// The inputs of `GITOPS_BENCH_OBJECTS`, of the folder beside the repository, or made ones.
fn inputs() -> Inputs {
    Inputs::find(std::env::var_os("GITOPS_BENCH_OBJECTS").map(PathBuf::from))
}

fn single(c: &mut Criterion) {
    let inputs = inputs();
    let folder = inputs.folder();
    let options = CompareOptions::default();
    let mut group = c.benchmark_group("compare");
    for name in objects::NAMED {
        let desired = objects::object(folder, &format!("{name}.desired.json"));
        for state in ["live", "live-drifted"] {
            let live = objects::object(folder, &format!("{name}.{state}.json"));
            group.bench_function(BenchmarkId::new(name, state), |b| {
                b.iter(|| compare(Some(&desired), Some(&live), &options));
            });
        }
    }
    group.finish();
}

fn many(c: &mut Criterion) {
    let inputs = inputs();
    let folder = inputs.folder();
    let options = CompareOptions::default();
    let desired = objects::objects(folder, "desired.json", 1_000);
    let live = objects::objects(folder, "live.json", 1_000);
    c.bench_function("compare/1000 mixed objects", |b| {
        b.iter(|| {
            desired
                .iter()
                .zip(&live)
                .filter(|(desired, live)| {
                    compare(Some(desired), Some(live), &options)
                        .is_ok_and(|comparison| comparison.is_modified())
                })
                .count()
        });
    });
}

criterion_group!(benches, single, many);
criterion_main!(benches);
