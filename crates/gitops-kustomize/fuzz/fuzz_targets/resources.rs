//! Any text as resources; what is written can be built again and stays as it is.
#![no_main]

use gitops_kustomize::{BuildOptions, build};
use gitops_manifest::MemoryTree;
use libfuzzer_sys::fuzz_target;

fn run(kustomization: &str, text: &str) -> Option<String> {
    let tree = MemoryTree::from_iter([("kustomization.yaml", kustomization), ("a.yaml", text)]);
    let built = build(&tree, "", &BuildOptions::default()).ok()?;
    Some(built.to_yaml())
}

fuzz_target!(|text: &str| {
    let changes = "resources: [a.yaml]\nnamespace: n\nnamePrefix: p-\ncommonLabels: {a: b}\nimages: [{name: i, newTag: x}]\n";
    let _ = run(changes, text);
    if let Some(first) = run("resources: [a.yaml]\n", text)
        && let Some(second) = run("resources: [a.yaml]\n", &first)
    {
        assert_eq!(first, second);
    }
});
