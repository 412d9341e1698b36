//! Kustomizations built in process: the stages one by one, and the whole at growing sizes.
#![allow(clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gitops_kustomize::{BuildOptions, build};
use gitops_manifest::MemoryTree;

/// An app of three resources that refer to one another.
fn app(i: usize) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{i}
spec:
  replicas: {}
  selector:
    matchLabels: {{app: app-{i}}}
  template:
    metadata:
      labels: {{app: app-{i}}}
    spec:
      containers:
      - name: app
        image: registry.example.com/app-{}:1.{i}
        args: [--listen=:8080, --name=app-{i}]
        env:
        - name: LEVEL
          valueFrom:
            configMapKeyRef: {{name: app-{i}-config, key: LEVEL}}
        resources:
          requests: {{cpu: 100m, memory: 128Mi}}
      volumes:
      - name: config
        configMap: {{name: app-{i}-config}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: app-{i}-config
data:
  LEVEL: info
  app.properties: |
    name=app-{i}
    feature=true
---
apiVersion: v1
kind: Service
metadata:
  name: app-{i}
spec:
  selector: {{app: app-{i}}}
  ports:
  - {{name: http, port: 80, targetPort: http}}
",
        1 + i % 3,
        i % 10
    )
}

const LABELS: &str =
    "labels:\n- pairs: {part-of: bench, env: production}\n  includeSelectors: true\n";
const RENAMES: &str = "namePrefix: bench-\n";
const PATCHES: &str = "patches:\n- target: {kind: Deployment}\n  patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: any}\n    spec:\n      template:\n        spec:\n          containers:\n          - name: app\n            env: [{name: REGION, value: west}]\n";

/// Makes a base of apps, a file each, and an overlay with the given fields.
fn tree(apps: usize, fields: &[&str]) -> MemoryTree {
    let mut tree = MemoryTree::new();
    let mut put = |path: &str, text: String| {
        tree.insert(path, text.into_bytes())
            .expect("the path is fine");
    };
    let mut base = String::from("resources:\n");
    for i in 0..apps {
        let _ = writeln!(base, "- app-{i}.yaml");
        put(&format!("base/app-{i}.yaml"), app(i));
    }
    put("base/kustomization.yaml", base);
    let overlay = format!("resources: [../base]\n{}", fields.concat());
    put("overlay/kustomization.yaml", overlay);
    tree
}

fn images() -> String {
    let mut out = String::from("images:\n");
    for i in 0..10 {
        let _ = writeln!(
            out,
            "- {{name: registry.example.com/app-{i}, newTag: '2.{i}'}}"
        );
    }
    out
}

/// What each field adds to reading and writing alone.
fn stages(c: &mut Criterion) {
    let mut group = c.benchmark_group("kustomize/stages");
    let images = images();
    let options = BuildOptions::default();
    for (name, fields) in [
        ("read", &[][..]),
        ("namespace", &["namespace: bench\n"][..]),
        ("labels", &[LABELS][..]),
        ("images", &[images.as_str()][..]),
        ("patches", &[PATCHES][..]),
        ("references", &[RENAMES][..]),
    ] {
        let tree = tree(100, fields);
        group.bench_function(name, |b| {
            b.iter(|| build(black_box(&tree), "overlay", &options).expect("it can be built"));
        });
    }
    let built = build(&tree(100, &[]), "overlay", &options).expect("it can be built");
    group.bench_function("write", |b| b.iter(|| black_box(&built).to_yaml()));
    group.finish();
}

/// The whole, at sizes that show how the cost grows.
fn sizes(c: &mut Criterion) {
    let mut group = c.benchmark_group("kustomize/build");
    group.sample_size(10);
    let images = images();
    let fields = ["namespace: bench\n", LABELS, RENAMES, PATCHES, &images];
    let options = BuildOptions::default();
    for apps in [33, 333, 3_333] {
        let tree = tree(apps, &fields);
        group.throughput(Throughput::Elements(3 * apps as u64));
        group.bench_function(BenchmarkId::from_parameter(3 * apps), |b| {
            b.iter(|| {
                let built = build(black_box(&tree), "overlay", &options);
                built.expect("it can be built").to_yaml()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, stages, sizes);
criterion_main!(benches);
