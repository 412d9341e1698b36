//! A folder that is no repository, as a source: what is in it now is its only revision.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use gitops::manifest::tree::join;
use gitops::manifest::{ContentId, DirTree, EntryKind, FileTree, Str, TreeEntry, TreeError};
use gitops::{Revision, RevisionInfo, Source, SourceError, SourceRef};

/// Folders of this machine that hold no `.git`.
pub(crate) struct FolderSource;

fn open(repo: &str) -> Result<DirTree, SourceError> {
    DirTree::open(repo).map_err(|error| SourceError::Unreachable {
        repo: repo.into(),
        source: Box::new(error),
    })
}

/// Whether an entry at the top of a folder is left out: the state of this command is one of them. A chart's rules on
/// what to ignore are not.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') && name != ".helmignore"
}

/// A folder without the hidden entries at its top.
struct Visible(DirTree);

impl FileTree for Visible {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        self.0.read(path)
    }

    fn list(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError> {
        let mut entries = self.0.list(path)?;
        if join("", path)?.is_empty() {
            entries.retain(|entry| !is_hidden(&entry.name));
        }
        Ok(entries)
    }

    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        self.0.kind(path)
    }

    fn id(&self, path: &str) -> Result<ContentId, TreeError> {
        if join("", path)?.is_empty() {
            return content(&self.0);
        }
        self.0.id(path)
    }
}

/// Hashes what is in a folder. Hidden entries at its top do not count.
fn content(tree: &DirTree) -> Result<ContentId, TreeError> {
    let mut entries = Vec::new();
    for entry in tree.list("")? {
        if !is_hidden(&entry.name) {
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
        Ok(Arc::new(Visible(open(&revision.repo)?)))
    }

    async fn describe(&self, _: &Revision) -> Result<RevisionInfo, SourceError> {
        Ok(RevisionInfo::default())
    }
}
