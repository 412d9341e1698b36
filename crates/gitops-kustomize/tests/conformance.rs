//! The recorded cases: what the real program prints for a tree, and what it refuses.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use gitops_kustomize::{BuildOptions, LoadRestrictor, Reorder, build};
use gitops_manifest::DirTree;

fn folder() -> PathBuf {
    match std::env::var_os("GITOPS_CONFORMANCE") {
        Some(folder) => folder.into(),
        None => concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance").into(),
    }
}

/// Builds a case with the flags given; the order only where it is asked for.
fn run(case: &Path, info: &serde_json::Value, reorder: bool) -> Result<String, String> {
    let mut options = BuildOptions::default();
    let args: Vec<&str> = info["args"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|arg| arg.as_str())
        .collect();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg {
            "--reorder" => {
                let order = args.next();
                if reorder {
                    options.reorder = Some(match order {
                        Some("none") => Reorder::None,
                        _ => Reorder::Legacy,
                    });
                }
            }
            "--load-restrictor" => {
                args.next();
                options.load_restrictor = LoadRestrictor::None;
            }
            "--enable-managedby-label" => options.managed_by_label = true,
            other => panic!("the flag {other} is not known here"),
        }
    }
    let tree = DirTree::open(case.join("input")).expect("a case has input");
    let path = info["build_dir"].as_str().unwrap_or(".");
    match build(&tree, path, &options) {
        Ok(build) => Ok(build.to_yaml()),
        Err(errors) => Err(errors.to_string()),
    }
}

/// Says what is wrong with a case, if anything.
fn check(case: &Path) -> Result<(), String> {
    let text = fs::read_to_string(case.join("case.json")).expect("a case says what it is");
    let info: serde_json::Value = serde_json::from_str(&text).expect("which is JSON");
    let result = catch_unwind(AssertUnwindSafe(|| run(case, &info, true)))
        .map_err(|_| "it panics".to_owned())?;
    if info["expect"] == "error" {
        let Err(message) = result else {
            return Err("it succeeds and should fail".to_owned());
        };
        let mentions: Vec<&str> = info["mentions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|mention| mention.as_str())
            .collect();
        if mentions.is_empty() || mentions.iter().any(|mention| message.contains(mention)) {
            return Ok(());
        }
        return Err(format!("the message names none of {mentions:?}: {message}"));
    }
    compare(result, &case.join("expected.yaml"))?;
    let default_order = case.join("expected_default_order.yaml");
    if default_order.exists() {
        compare(run(case, &info, false), &default_order)
            .map_err(|message| format!("in the default order: {message}"))?;
    }
    Ok(())
}

fn compare(result: Result<String, String>, expected: &Path) -> Result<(), String> {
    let got = result.map_err(|message| format!("it fails: {message}"))?;
    let want = fs::read_to_string(expected).unwrap_or_default();
    if got == want {
        return Ok(());
    }
    let at = got
        .lines()
        .zip(want.lines())
        .position(|(got, want)| got != want)
        .unwrap_or_else(|| got.lines().count().min(want.lines().count()));
    Err(format!(
        "line {}: {:?} instead of {:?}",
        at + 1,
        got.lines().nth(at).unwrap_or("the end"),
        want.lines().nth(at).unwrap_or("the end")
    ))
}

#[test]
fn conformance_kustomize() {
    let folder = folder().join("kustomize");
    let Ok(entries) = fs::read_dir(&folder) else {
        println!(
            "kustomize: skipped, there is no folder {}",
            folder.display()
        );
        return;
    };
    let mut cases: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.join("case.json").exists())
        .collect();
    cases.sort();
    let failed: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let name = case.file_name()?.to_string_lossy().into_owned();
            check(case)
                .err()
                .map(|message| format!("{name}: {message}"))
        })
        .collect();
    println!(
        "kustomize: {} / {}",
        cases.len() - failed.len(),
        cases.len()
    );
    assert!(
        failed.is_empty(),
        "{} fail:\n{}",
        failed.len(),
        failed.join("\n")
    );
}
