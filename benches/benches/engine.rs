//! The engine on an application of 1,000 objects: the first sync, and a refresh in which nothing changed.
//!
//! `cargo bench -p gitops-benches --bench engine` prints both; the second is to be at most a hundredth of the first.

use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use gitops::application::{Application, ApplicationSource, AutomatedSync, SyncPolicy};
use gitops::memory::{MemorySource, MemoryStore, MemoryTarget, SimClock};
use gitops::{ApplicationId, Engine};

const REPO: &str = "https://git.example.com/large.git";

fn world(objects: usize) -> (SimClock, Engine, ApplicationId) {
    let (clock, source) = (SimClock::new(), MemorySource::new());
    let mut text = String::new();
    for i in 0..objects {
        text.push_str(&format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{i}, labels: {{app: large}}}}\ndata: {{a: \"{i}\", b: text}}\n"
        ));
    }
    source.commit(REPO, "main", [("all/objects.yaml", text)]);
    let target = MemoryTarget::new(Arc::new(clock.clone()));
    let engine = Engine::builder(source, target, MemoryStore::new())
        .clock(clock.clone())
        .build();
    let mut application = Application::new(
        "large",
        ApplicationSource::git(REPO, "all", "main"),
        "default",
    );
    application.spec.sync_policy = Some(SyncPolicy {
        automated: Some(AutomatedSync {
            prune: true,
            self_heal: true,
            ..AutomatedSync::default()
        }),
        ..SyncPolicy::default()
    });
    let id = engine.set_application(application);
    (clock, engine, id)
}

fn settle(clock: &SimClock, engine: &Engine) {
    let settled = clock.run(engine.settle(Duration::from_secs(600)));
    assert!(settled.expect("nothing fails"), "it comes to rest");
}

fn engine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    group.sample_size(10);
    for objects in [1_000, 2_000] {
        group.bench_function(format!("first_sync/{objects}"), |bencher| {
            bencher.iter_batched(
                || world(objects),
                |(clock, engine, id)| {
                    settle(&clock, &engine);
                    (clock, engine, id)
                },
                BatchSize::PerIteration,
            );
        });
        let (clock, engine, id) = world(objects);
        settle(&clock, &engine);
        group.bench_function(format!("refresh_without_news/{objects}"), |bencher| {
            bencher.iter(|| {
                clock.run(async {
                    engine.update().await.expect("the cluster answers");
                    engine.refresh(&id).await.expect("nothing fails")
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, engine);
criterion_main!(benches);
