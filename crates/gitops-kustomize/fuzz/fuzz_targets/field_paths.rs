//! Any text as the field path of a replacement.
#![no_main]

use gitops_kustomize::{BuildOptions, build};
use gitops_manifest::{MemoryTree, Value};
use libfuzzer_sys::fuzz_target;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {l: [{name: a, b: [1]}], m: {a: 'x: {y: z}', j: '{\"k\": 1}'}}\n";

fuzz_target!(|text: &str| {
    let path = Value::from(text).to_json();
    for create in [false, true] {
        let kustomization = format!(
            "resources: [a.yaml]\nreplacements:\n- sourceValue: v\n  targets:\n  - select: {{kind: Pod}}\n    fieldPaths: [{path}]\n    options: {{create: {create}}}\n- source: {{kind: Pod, fieldPath: {path}}}\n  targets:\n  - select: {{kind: Pod}}\n    fieldPaths: [{path}]\n"
        );
        let tree = MemoryTree::from_iter([
            ("kustomization.yaml", kustomization.as_str()),
            ("a.yaml", POD),
        ]);
        let _ = build(&tree, "", &BuildOptions::default());
    }
});
