//! Where desired state comes from.

use std::sync::Arc;

use async_trait::async_trait;
use gitops_manifest::{FileTree, Str};
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What an application asks a source for: a repository and a revision of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceRef {
    /// The address of the repository.
    pub repo: Str,
    /// The wanted revision: a branch, a tag, a commit, `HEAD`, or a range of semantic versions. Empty means
    /// `HEAD`; of a chart it means the highest version that is no pre-release.
    pub revision: Str,
    /// The name of a chart, where the repository is one of charts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Str>,
}

impl SourceRef {
    /// Asks for a revision of a Git repository.
    #[must_use]
    pub fn git(repo: impl Into<Str>, revision: impl Into<Str>) -> Self {
        Self {
            repo: repo.into(),
            revision: revision.into(),
            chart: None,
        }
    }

    /// Asks for a version of a chart.
    #[must_use]
    pub fn chart(repo: impl Into<Str>, chart: impl Into<Str>, version: impl Into<Str>) -> Self {
        Self {
            repo: repo.into(),
            revision: version.into(),
            chart: Some(chart.into()),
        }
    }
}

/// A revision that a source has pinned down: asking for its tree gives the same content for ever.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision {
    /// The address of the repository, as it was asked for.
    pub repo: Str,
    /// The immutable name of the content: the full commit hash of a Git repository, the digest of an archive.
    pub id: Str,
    /// What `id` was resolved from, as `refs/heads/main` or `v1.4.2`; empty where `id` itself was asked for.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub name: Str,
    /// The name of a chart, where the repository is one of charts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Str>,
}

impl Revision {
    /// Returns what people are told: the version of a chart, of everything else the immutable name.
    #[must_use]
    pub fn shown(&self) -> &Str {
        if self.chart.is_some() && !self.name.is_empty() {
            &self.name
        } else {
            &self.id
        }
    }
}

/// What is known of a revision besides its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RevisionInfo {
    /// Who wrote the change, as `Name <address>`.
    pub author: String,
    /// When it was written.
    pub date: Option<Timestamp>,
    /// What its author says of it.
    pub message: String,
    /// The tags that point at it.
    pub tags: Vec<String>,
    /// The signature on the commit or on the annotated tag, as it stands there; not checked.
    pub signature: Option<String>,
}

/// Why a source could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// No source is registered for such an address.
    #[error("no source takes repository {repo:?}")]
    Unsupported {
        /// The address.
        repo: Str,
    },
    /// The repository could not be reached, or did not answer in time. Trying again may help.
    #[error("repository {repo} cannot be reached")]
    Unreachable {
        /// The address, without credentials.
        repo: Str,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The credentials were refused, or there are none.
    #[error("repository {repo} refuses access")]
    AccessDenied {
        /// The address, without credentials.
        repo: Str,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The repository has no such revision.
    #[error("repository {repo} has no revision {revision:?}{}", name_list(.nearest))]
    NoSuchRevision {
        /// The address, without credentials.
        repo: Str,
        /// What was asked for.
        revision: Str,
        /// The revisions whose names come nearest.
        nearest: Vec<Str>,
    },
    /// The repository has no such chart.
    #[error("repository {repo} has no chart {chart:?}{}", name_list(.nearest))]
    NoSuchChart {
        /// The address, without credentials.
        repo: Str,
        /// What was asked for.
        chart: Str,
        /// The charts whose names come nearest.
        nearest: Vec<Str>,
    },
    /// The repository serves something that cannot be used: an index that cannot be read, a chart that is not what
    /// its digest says, more than may be received.
    #[error("repository {repo} serves what cannot be used")]
    Invalid {
        /// The address, without credentials.
        repo: Str,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The address is malformed.
    #[error("{repo:?} is no address of a repository: {reason}")]
    BadAddress {
        /// The address.
        repo: Str,
        /// What is wrong with it.
        reason: String,
    },
    /// The local copy of the repository could not be written or read.
    #[error("the local copy of repository {repo} failed")]
    Storage {
        /// The address, without credentials.
        repo: Str,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl SourceError {
    /// Whether trying again may help without anybody changing anything.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Storage { .. })
    }
}

/// Writes a list of near names as the end of a message.
pub(crate) fn name_list(names: &[Str]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        format!("; the nearest are {}", names.join(", "))
    }
}

/// Serves revisions of repositories as immutable file trees.
///
/// A source may be asked by many tasks at once. It may block the calling task's thread for no longer than a
/// look into memory; network and disk work is awaited.
#[async_trait]
pub trait Source: Send + Sync {
    /// Whether this source takes repositories of that kind.
    fn supports(&self, source: &SourceRef) -> bool;

    /// Pins down what a revision means now. Asks the repository.
    ///
    /// # Errors
    /// [`SourceError`]; after an `Unreachable` the caller keeps to the last good revision.
    async fn resolve(&self, source: &SourceRef) -> Result<Revision, SourceError>;

    /// Opens the tree of a resolved revision. Needs no network where [`resolve`](Self::resolve) was answered
    /// by this source before.
    ///
    /// # Errors
    /// [`SourceError`].
    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn FileTree>, SourceError>;

    /// Tells author, date, message and signature of a resolved revision.
    ///
    /// # Errors
    /// [`SourceError`].
    async fn describe(&self, revision: &Revision) -> Result<RevisionInfo, SourceError>;

    /// Is told that a repository has news: what the source remembers of where its branches and tags point does
    /// not count any more. Nothing is asked yet.
    fn invalidate(&self, _repo: &str) {}
}

/// Several sources as one: the first that supports a repository serves it.
#[derive(Clone, Default)]
pub struct Sources(Vec<Arc<dyn Source>>);

impl Sources {
    /// Makes one without any source.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source behind those that are there.
    #[must_use]
    pub fn with(mut self, source: Arc<dyn Source>) -> Self {
        self.0.push(source);
        self
    }

    fn serving(&self, source: &SourceRef) -> Result<&Arc<dyn Source>, SourceError> {
        self.0
            .iter()
            .find(|s| s.supports(source))
            .ok_or_else(|| SourceError::Unsupported {
                repo: source.repo.clone(),
            })
    }

    fn serving_revision(&self, revision: &Revision) -> Result<&Arc<dyn Source>, SourceError> {
        self.serving(&SourceRef {
            repo: revision.repo.clone(),
            revision: revision.id.clone(),
            chart: revision.chart.clone(),
        })
    }
}

#[async_trait]
impl Source for Sources {
    fn supports(&self, source: &SourceRef) -> bool {
        self.serving(source).is_ok()
    }

    async fn resolve(&self, source: &SourceRef) -> Result<Revision, SourceError> {
        self.serving(source)?.resolve(source).await
    }

    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn FileTree>, SourceError> {
        self.serving_revision(revision)?.tree(revision).await
    }

    async fn describe(&self, revision: &Revision) -> Result<RevisionInfo, SourceError> {
        self.serving_revision(revision)?.describe(revision).await
    }

    fn invalidate(&self, repo: &str) {
        for source in &self.0 {
            source.invalidate(repo);
        }
    }
}
