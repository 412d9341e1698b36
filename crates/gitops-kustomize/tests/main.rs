//! Tests of the crate as its users see it.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

mod conformance;
mod edit;
mod errors;
mod hosts;
mod laws;
mod quirks;

use gitops_kustomize::{Build, BuildErrors, BuildOptions, build};
use gitops_manifest::MemoryTree;

/// Builds the root of a tree of files.
fn build_files(files: &[(&str, &str)]) -> Result<Build, BuildErrors> {
    build_at(files, "")
}

/// Builds a folder of a tree of files.
fn build_at(files: &[(&str, &str)], path: &str) -> Result<Build, BuildErrors> {
    let tree = MemoryTree::from_iter(files.iter().copied());
    build(&tree, path, &BuildOptions::default())
}

/// Builds the root of a tree of files, and expects YAML.
fn yaml(files: &[(&str, &str)]) -> String {
    match build_files(files) {
        Ok(build) => build.to_yaml(),
        Err(errors) => panic!("it cannot be built:\n{errors}"),
    }
}

/// Every file of this folder is a module above.
#[test]
fn all_files_are_listed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let main = std::fs::read_to_string(format!("{folder}/main.rs")).expect("this file");
    for entry in std::fs::read_dir(folder).expect("this folder") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        if let Some(module) = name.strip_suffix(".rs").filter(|name| *name != "main") {
            assert!(
                main.contains(&format!("mod {module};")),
                "{module} is not listed"
            );
        }
    }
}
