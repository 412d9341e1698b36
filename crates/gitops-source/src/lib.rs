//! Git repositories and, with the feature `charts`, chart repositories and registries as sources of desired state.
//!
//! A [`GitSource`] keeps one bare mirror of every repository it is asked for, shared by all applications on it
//! and by several processes, and reads trees straight out of the object database: there is no checkout, so that
//! nothing is ever changed and many revisions are open at once.
//!
//! ```
//! use gitops_core::{Source, SourceRef};
//! use gitops_source::GitSource;
//!
//! let folder = tempfile::tempdir()?;
//! let source = GitSource::new(folder.path());
//! assert!(source.supports(&SourceRef::git("https://git.example.com/shop.git", "main")));
//! assert!(source.supports(&SourceRef::git("git@git.example.com:shop.git", ">=1.2 <2")));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How repositories are reached
//!
//! Local paths, `file://` and `http://` work in process and need nothing. `https://` and `ssh://` work in
//! process with the features of these names, which need the system's OpenSSL; without them the git program does
//! the fetching where the host allows that with [`GitOptions::git_program`]. Reading is always in process.
#![deny(missing_docs)]

mod address;
#[cfg(feature = "charts")]
mod charts;
mod credentials;
mod fetch;
mod mirror;
mod tree;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gitops_core::{Clock, Revision, RevisionInfo, Source, SourceError, SourceRef, SystemClock};
use gitops_manifest::FileTree;

pub use address::{Address, Transport, redact};
#[cfg(feature = "charts")]
pub use charts::{ChartCredentials, ChartKeyring, ChartOptions, ChartSource, ClientCertificate};
pub use credentials::{Credentials, Keyring, KnownHosts};
use mirror::Mirror;

/// How far a fetch has come.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// The repository.
    pub repo: &'a str,
    /// How many objects were received.
    pub received_objects: usize,
    /// How many objects there are to receive.
    pub total_objects: usize,
    /// How many bytes were received.
    pub received_bytes: usize,
}

/// Is told how far fetches have come.
pub type ProgressFn = dyn Fn(&Progress<'_>) + Send + Sync;

/// The settings of a [`GitSource`].
#[derive(Clone)]
#[non_exhaustive]
pub struct GitOptions {
    /// What opens repositories.
    pub keyring: Keyring,
    /// Which hosts ssh trusts.
    pub known_hosts: KnownHosts,
    /// How long a fetch may take.
    pub timeout: Duration,
    /// For how long what was fetched counts as new: however many ask, a repository is fetched once in this time.
    pub fresh_for: Duration,
    /// The git program, for `https://` and `ssh://` where they do not work in process.
    pub git_program: Option<PathBuf>,
    /// Is told how far fetches have come.
    pub progress: Option<Arc<ProgressFn>>,
}

impl Default for GitOptions {
    fn default() -> Self {
        Self {
            keyring: Keyring::default(),
            known_hosts: KnownHosts::default(),
            timeout: Duration::from_secs(90),
            fresh_for: Duration::from_secs(3),
            git_program: None,
            progress: None,
        }
    }
}

/// Git repositories as a source.
#[derive(Clone)]
pub struct GitSource(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    options: GitOptions,
    clock: Arc<dyn Clock>,
    mirrors: Mutex<HashMap<String, Arc<Mirror>>>,
}

impl GitSource {
    /// Makes a source that keeps its mirrors in a folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self::with_options(folder, GitOptions::default())
    }

    /// Makes a source with settings.
    #[must_use]
    pub fn with_options(folder: impl Into<PathBuf>, options: GitOptions) -> Self {
        Self(Arc::new(Shared {
            folder: folder.into(),
            options,
            clock: Arc::new(SystemClock),
            mirrors: Mutex::default(),
        }))
    }

    /// Forgets how new what was fetched is: the next question about a repository asks it. Call it when a
    /// webhook tells of a push.
    ///
    /// # Errors
    /// Where the address is malformed.
    pub fn invalidate(&self, repo: &str) -> Result<(), SourceError> {
        self.mirror(repo)?.invalidate();
        Ok(())
    }

    fn mirror(&self, repo: &str) -> Result<Arc<Mirror>, SourceError> {
        let address = Address::parse(repo)?;
        let name = address.mirror_name();
        let mut mirrors = self
            .0
            .mirrors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mirror = mirrors
            .entry(name.clone())
            .or_insert_with(|| Arc::new(Mirror::new(self.0.folder.join(name), address)));
        Ok(Arc::clone(mirror))
    }
}

#[async_trait]
impl Source for GitSource {
    fn supports(&self, source: &SourceRef) -> bool {
        source.chart.is_none()
            && !source.repo.starts_with("oci://")
            && Address::parse(&source.repo).is_ok()
    }

    async fn resolve(&self, source: &SourceRef) -> Result<Revision, SourceError> {
        let mirror = self.mirror(&source.repo)?;
        mirror
            .resolve(source, &self.0.options, &*self.0.clock)
            .await
    }

    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn FileTree>, SourceError> {
        mirror::tree(self, revision, 0)
            .await
            .map(|tree| tree as Arc<dyn FileTree>)
    }

    async fn describe(&self, revision: &Revision) -> Result<RevisionInfo, SourceError> {
        let mirror = self.mirror(&revision.repo)?;
        mirror
            .describe(revision, &self.0.options, &*self.0.clock)
            .await
    }

    fn invalidate(&self, repo: &str) {
        // An address that cannot be read has no mirror either.
        let _ = Self::invalidate(self, repo);
    }
}
