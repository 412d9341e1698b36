//! Chart repositories and registries on loopback.

mod oci;
mod repository;
mod server;
mod tls;

use std::time::Duration;

use gitops_core::{Revision, Source, SourceError, SourceRef};
use gitops_manifest::FileTree as _;
use gitops_source::{ChartCredentials, ChartKeyring, ChartOptions, ChartSource};
use sha2::{Digest as _, Sha256};

/// Packs a chart with one template.
fn chart(name: &str, version: &str) -> Vec<u8> {
    let metadata = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    pack(&[
        (&format!("{name}/Chart.yaml"), metadata.as_bytes()),
        (&format!("{name}/templates/a.yaml"), b"kind: ConfigMap\n"),
    ])
}

fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (path, data) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, *data)
            .expect("written to memory");
    }
    let gzip = tar.into_inner().expect("written to memory");
    gzip.finish().expect("written to memory")
}

fn digest(bytes: &[u8]) -> String {
    let hex: Vec<String> = Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    format!("sha256:{}", hex.concat())
}

/// Settings under which nothing counts as new and little time is given.
fn options() -> ChartOptions {
    let mut options = ChartOptions::default();
    options.fresh_for = Duration::ZERO;
    options.timeout = Duration::from_secs(20);
    options
}

fn with_credentials(address: &str, credentials: ChartCredentials) -> ChartOptions {
    let mut keyring = ChartKeyring::default();
    keyring.add(address, credentials);
    let mut options = options();
    options.keyring = keyring;
    options
}

fn block_on<F: Future>(future: F) -> F::Output {
    // No runtime: a source works in programs that have none.
    futures::executor::block_on(future)
}

fn resolve(
    source: &ChartSource,
    repo: &str,
    chart: &str,
    version: &str,
) -> Result<Revision, SourceError> {
    block_on(source.resolve(&SourceRef::chart(repo, chart, version)))
}

/// Returns the content of a file of a revision's tree.
fn read(source: &ChartSource, revision: &Revision, path: &str) -> String {
    let tree = block_on(source.tree(revision)).expect("a tree");
    String::from_utf8(tree.read(path).expect("a file").to_vec()).expect("text")
}

fn told(error: &SourceError) -> String {
    gitops_core::error_chain(error)
}
