//! Finding the program of the control plane, or building it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// The version that the API server reports: that of `k8s.io/kubernetes` in `controlplane/go.mod`.
const VERSION: &str = "v1.36.3";

/// The stages of the simulated kubelets.
pub(crate) const STAGES: &str = include_str!("../stages.yaml");

/// Finds the program; builds it if need be, once per state of its sources.
pub(crate) fn controlplane() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("TESTBED_PROGRAMS").filter(|folder| !folder.is_empty()) {
        let path = PathBuf::from(folder).join("controlplane");
        return if path.is_file() {
            Ok(path)
        } else {
            Err(Error::NoProgram { path })
        };
    }
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("controlplane");
    let built = target().join("testbed");
    let program = built.join(format!("controlplane-{}", fingerprint(&module)?));
    if program.is_file() {
        return Ok(program);
    }
    if Command::new("go")
        .arg("version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_err()
    {
        return Err(Error::NoGo);
    }
    fs::create_dir_all(&built).map_err(Error::file("creating", &built))?;
    // Several test processes may want it at once: the first builds, the others wait for the lock, which the system
    // gives back even if its holder is killed.
    let path = built.join("lock");
    let lock = File::create(&path).map_err(Error::file("creating", &path))?;
    lock.lock().map_err(Error::file("locking", &path))?;
    if !program.is_file() {
        build(&module, &program)?;
    }
    Ok(program)
}

fn build(module: &Path, program: &Path) -> Result<()> {
    // Not by `eprintln!`, which the test harness would keep to itself: it is why the test takes minutes.
    let _ = writeln!(
        std::io::stderr(),
        "testbed: building the control plane by Go, about ten CPU minutes, once: {}",
        program.display()
    );
    let unfinished = program.with_extension("unfinished");
    let (major, minor) = (1, 36);
    let version = "-X k8s.io/component-base/version.git";
    let output = Command::new("go")
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .args(["build", "-trimpath", "-ldflags"])
        .arg(format!(
            "-s -w {version}Version={VERSION} {version}Major={major} {version}Minor={minor}"
        ))
        .arg("-o")
        .arg(&unfinished)
        .arg(".")
        .stdin(Stdio::null())
        .output()
        .map_err(Error::file("running go build in", module))?;
    if !output.status.success() {
        return Err(Error::Build {
            folder: module.to_owned(),
            output: String::from_utf8_lossy(&output.stderr)
                .trim_end()
                .to_owned(),
        });
    }
    fs::rename(&unfinished, program).map_err(Error::file("renaming", &unfinished))
}

/// What the program depends on, as a name.
fn fingerprint(module: &Path) -> Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(module).map_err(Error::file("reading", module))? {
        let path = entry.map_err(Error::file("reading", module))?.path();
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        if matches!(extension, "go" | "mod" | "sum") {
            names.push(path);
        }
    }
    names.sort();
    let mut hash = Sha256::new();
    for path in names {
        let content = fs::read(&path).map_err(Error::file("reading", &path))?;
        hash.update(path.file_name().unwrap_or_default().as_encoded_bytes());
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    Ok(hash
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Cargo's target folder, which the running program is in; Cargo marks it as a cache.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
            Path::to_owned,
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_module() {
        let module = include_str!("../controlplane/go.mod");
        assert!(
            module.contains(&format!("k8s.io/kubernetes {VERSION}\n")),
            "go.mod and VERSION differ"
        );
        for line in module.lines().filter(|line| line.contains("=>")) {
            assert!(
                line.ends_with(&VERSION.replace("v1.", " v0.")),
                "of another version: {line}"
            );
        }
    }
}
