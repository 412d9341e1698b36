//! Cases recorded from Argo CD.

mod autosync;
mod comparison;
mod hooks;
mod order;
mod project;
mod rbac;
pub(crate) mod scenarios;
mod tracking;
mod windows;

use std::path::PathBuf;

use gitops_manifest::Value;

/// Returns the folder of the cases; `None`, with a note, where it is missing.
pub(crate) fn folder(suite: &str) -> Option<PathBuf> {
    let root = std::env::var_os("GITOPS_CONFORMANCE").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/conformance"
            ))
        },
        PathBuf::from,
    );
    let folder = root.join(suite);
    if folder.is_dir() {
        Some(folder)
    } else {
        println!("{suite}: skipped, {} is missing", folder.display());
        None
    }
}

/// Reads the cases of a file.
pub(crate) fn cases(suite: &str, file: &str) -> Option<Vec<Value>> {
    let text = std::fs::read(folder(suite)?.join(file)).expect("the file of cases can be read");
    let Value::Array(cases) = Value::from_json(text).expect("the file of cases is JSON") else {
        panic!("{file} is a list")
    };
    Some(cases.into_vec())
}

/// Runs all cases, prints how many pass and which fail, and fails if any does.
pub(crate) fn check(suite: &str, file: &str, mut run: impl FnMut(&Value) -> Result<(), String>) {
    let Some(cases) = cases(suite, file) else {
        return;
    };
    let mut failed = Vec::new();
    for case in &cases {
        let name = case["name"].as_str().unwrap_or("?").to_owned();
        if let Err(error) = run(case) {
            failed.push((name, error));
        }
    }
    println!(
        "{suite}/{file}: {} / {}",
        cases.len() - failed.len(),
        cases.len()
    );
    for (name, error) in &failed {
        println!("  {name}: {error}");
    }
    assert!(
        failed.is_empty(),
        "{} cases of {suite}/{file} fail",
        failed.len()
    );
}

/// Compares two values and says how they differ.
pub(crate) fn same(what: &str, expected: &Value, found: &Value) -> Result<(), String> {
    if expected == found {
        Ok(())
    } else {
        Err(format!(
            "{what}\n    expected {expected}\n    found    {found}"
        ))
    }
}
