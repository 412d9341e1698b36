//! Any text as a kustomization.
#![no_main]

use gitops_kustomize::{BuildOptions, build};
use gitops_manifest::MemoryTree;
use libfuzzer_sys::fuzz_target;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: i}]}\n";

fuzz_target!(|text: &str| {
    let tree = MemoryTree::from_iter([
        ("kustomization.yaml", text),
        ("a.yaml", POD),
        ("base/kustomization.yaml", "resources: [a.yaml]\n"),
        ("base/a.yaml", POD),
    ]);
    let _ = build(&tree, "", &BuildOptions::default());
});
