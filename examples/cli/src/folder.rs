//! A folder that is no repository, as a source: what is in it now is its only revision.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use gitops::manifest::{ContentId, DirTree, FileTree, Str, TreeError};
use gitops::{Revision, RevisionInfo, Source, SourceError, SourceRef};

/// Folders of this machine that hold no `.git`.
pub(crate) struct FolderSource;

fn open(repo: &str) -> Result<DirTree, SourceError> {
    DirTree::open(repo).map_err(|error| SourceError::Unreachable {
        repo: repo.into(),
        source: Box::new(error),
    })
}

/// Hashes what is in a folder. Hidden entries at its top do not count: the state of this command is one of them.
fn content(tree: &DirTree) -> Result<ContentId, TreeError> {
    let mut entries = Vec::new();
    for entry in tree.list("")? {
        if !entry.name.starts_with('.') {
            let id = tree.id(&entry.name)?;
            entries.push((entry, id));
        }
    }
    Ok(ContentId::of_folder(
        entries.iter().map(|(e, id)| (&*e.name, e.kind, id.clone())),
    ))
}

#[async_trait]
impl Source for FolderSource {
    fn supports(&self, source: &SourceRef) -> bool {
        let folder = PathBuf::from(source.repo.as_str());
        source.chart.is_none()
            && folder.is_dir()
            && !folder.join(".git").exists()
            && !folder.join("HEAD").exists()
    }

    async fn resolve(&self, source: &SourceRef) -> Result<Revision, SourceError> {
        let tree = open(&source.repo)?;
        let id = content(&tree).map_err(|error| SourceError::Storage {
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
