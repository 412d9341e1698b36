//! Any text as a patch of a Deployment.
#![no_main]

use gitops_kustomize::{BuildOptions, build};
use gitops_manifest::MemoryTree;
use libfuzzer_sys::fuzz_target;

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, labels: {a: b}}
spec:
  template:
    spec:
      containers:
      - {name: a, image: i, ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP}], env: [{name: A, value: x}]}
      - {name: b}
      volumes: [{name: v, emptyDir: {}}, {other: 1}]
";

fuzz_target!(|text: &str| {
    for kustomization in [
        "resources: [d.yaml]\npatches: [{path: p.yaml}]\n",
        "resources: [d.yaml]\npatches: [{path: p.yaml, target: {kind: Deployment}}]\n",
    ] {
        let tree = MemoryTree::from_iter([
            ("kustomization.yaml", kustomization),
            ("d.yaml", DEPLOYMENT),
            ("p.yaml", text),
        ]);
        let _ = build(&tree, "", &BuildOptions::default());
    }
});
