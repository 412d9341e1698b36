//! Remote bases of kustomizations, out of a source of the engine.

use std::sync::Arc;

use futures::executor::block_on;
use gitops_core::{Source, SourceRef};
use gitops_kustomize::{RemoteError, RemoteLoader, RepositorySpec};
use gitops_manifest::FileTree;

/// Fetches the remote bases of kustomizations (`https://…//path?ref=v1`, `git@host:path`) from a [`Source`].
///
/// A base that names a branch is what the branch was when it was built. The engine builds again when the
/// application's own source changes; name a tag or a commit where that matters.
#[derive(Clone)]
pub struct RemoteBases(Arc<dyn Source>);

impl RemoteBases {
    /// Fetches from a source.
    #[must_use]
    pub fn new(source: impl Source + 'static) -> Self {
        Self(Arc::new(source))
    }
}

impl RemoteLoader for RemoteBases {
    fn repository(&self, spec: &RepositorySpec) -> Result<Arc<dyn FileTree>, RemoteError> {
        let wanted = SourceRef::git(spec.url.as_str(), spec.reference.as_str());
        let tree = block_on(async {
            let revision = self.0.resolve(&wanted).await?;
            self.0.tree(&revision).await
        });
        tree.map_err(|error| {
            let told = RemoteError::new(spec.url.as_str(), gitops_core::error_chain(&error));
            if error.is_transient() {
                told.transient()
            } else {
                told
            }
        })
    }

    fn file(&self, url: &str) -> Result<Arc<[u8]>, RemoteError> {
        Err(RemoteError::new(
            url,
            "single files are not fetched from the web; put the file into the repository, or name a repository and \
             a path in it",
        ))
    }
}
