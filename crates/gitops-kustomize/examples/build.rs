//! Builds the kustomization of a folder of the file system and prints it: `build PATH [FLAGS of kustomize build]`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use gitops_kustomize::{BuildOptions, LoadRestrictor, Reorder, build};
use gitops_manifest::DirTree;

fn main() -> ExitCode {
    let mut options = BuildOptions::default();
    let mut path = ".".to_owned();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--load-restrictor" => {
                if args.next().as_deref() == Some("LoadRestrictionsNone") {
                    options.load_restrictor = LoadRestrictor::None;
                }
            }
            "--reorder" => {
                options.reorder = Some(match args.next().as_deref() {
                    Some("none") => Reorder::None,
                    _ => Reorder::Legacy,
                });
            }
            "--enable-managedby-label" => options.managed_by_label = true,
            other => other.clone_into(&mut path),
        }
    }
    match run(&path, &options) {
        Ok(yaml) => {
            // A closed pipe is the reader's choice.
            let _ = std::io::stdout().write_all(yaml.as_bytes());
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("Error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Builds a folder with the file system's root as the tree, so that bases may lie anywhere.
fn run(path: &str, options: &BuildOptions<'_>) -> Result<String, String> {
    let folder = Path::new(path)
        .canonicalize()
        .map_err(|error| format!("{path}: {error}"))?;
    let folder = folder.to_str().ok_or("the path is not UTF-8")?;
    let tree = DirTree::open("/").map_err(|error| error.to_string())?;
    let built =
        build(&tree, folder.trim_start_matches('/'), options).map_err(|error| error.to_string())?;
    for warning in &built.warnings {
        eprintln!("{}", warning.message);
    }
    let yaml = built.to_yaml();
    // The process ends, and takes the memory along faster than piece by piece.
    std::mem::forget(built);
    Ok(yaml)
}
