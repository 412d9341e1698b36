//! A folder that is no repository, as a source: what is in it now is its only revision.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use gitops::manifest::{DirTree, FileTree, Str};
use gitops::{Revision, RevisionInfo, Source, SourceError, SourceRef};

/// Folders of this machine that hold no `.git`.
pub(crate) struct FolderSource;

fn open(repo: &str) -> Result<DirTree, SourceError> {
    DirTree::open(repo).map_err(|error| SourceError::Unreachable {
        repo: repo.into(),
        source: Box::new(error),
    })
}

#[async_trait]
impl Source for FolderSource {
    fn supports(&self, source: &SourceRef) -> bool {
        let folder = PathBuf::from(source.repo.as_str());
        folder.is_dir() && !folder.join(".git").exists() && !folder.join("HEAD").exists()
    }

    async fn resolve(&self, source: &SourceRef) -> Result<Revision, SourceError> {
        let id = open(&source.repo)?
            .id("")
            .map_err(|error| SourceError::Storage {
                repo: source.repo.clone(),
                source: Box::new(error),
            })?;
        Ok(Revision {
            repo: source.repo.clone(),
            id: id.0,
            name: Str::from_static("folder"),
            chart: None,
        })
    }

    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn FileTree>, SourceError> {
        Ok(Arc::new(open(&revision.repo)?))
    }

    async fn describe(&self, _: &Revision) -> Result<RevisionInfo, SourceError> {
        Ok(RevisionInfo::default())
    }
}
