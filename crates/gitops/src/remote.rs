//! Remote bases of kustomizations, out of a source of the engine.

use std::sync::Arc;

use futures::executor::block_on;
use gitops_core::{Source, SourceError, SourceRef};
use gitops_kustomize::{RemoteError, RemoteLoader, RepositorySpec};
use gitops_manifest::FileTree;

/// Fetches the remote bases of kustomizations (`https://…//path?ref=v1`, `git@host:path`) from a [`Source`], and single
/// files (`https://…/install.yaml`) where there is something that fetches them.
///
/// A base that names a branch is what the branch was when it was built. The engine builds again when the
/// application's own source changes; name a tag or a commit where that matters.
#[derive(Clone)]
pub struct RemoteBases {
    source: Arc<dyn Source>,
    files: Option<Arc<dyn FetchFile>>,
}

/// Fetches a file of the web.
trait FetchFile: Send + Sync {
    fn fetch(&self, url: &str) -> Result<Arc<[u8]>, SourceError>;
}

#[cfg(feature = "charts")]
impl FetchFile for gitops_source::ChartSource {
    fn fetch(&self, url: &str) -> Result<Arc<[u8]>, SourceError> {
        block_on(Self::fetch(self, url))
    }
}

impl RemoteBases {
    /// Fetches from a source.
    #[must_use]
    pub fn new(source: impl Source + 'static) -> Self {
        Self {
            source: Arc::new(source),
            files: None,
        }
    }

    /// Fetches single files too, with the client of chart repositories: its proxy, timeout, limits and credentials.
    #[cfg(feature = "charts")]
    #[must_use]
    pub fn with_files(mut self, client: gitops_source::ChartSource) -> Self {
        self.files = Some(Arc::new(client));
        self
    }
}

fn told(url: &str, error: &SourceError) -> RemoteError {
    let told = RemoteError::new(url, gitops_core::error_chain(error));
    if error.is_transient() {
        told.transient()
    } else {
        told
    }
}

impl RemoteLoader for RemoteBases {
    fn repository(&self, spec: &RepositorySpec) -> Result<Arc<dyn FileTree>, RemoteError> {
        let wanted = SourceRef::git(spec.url.as_str(), spec.reference.as_str());
        let tree = block_on(async {
            let revision = self.source.resolve(&wanted).await?;
            self.source.tree(&revision).await
        });
        tree.map_err(|error| told(&spec.url, &error))
    }

    fn file(&self, url: &str) -> Result<Arc<[u8]>, RemoteError> {
        let Some(files) = &self.files else {
            return Err(RemoteError::new(
                url,
                "single files are not fetched from the web; put the file into the repository, or name a repository \
                 and a path in it",
            ));
        };
        files.fetch(url).map_err(|error| told(url, &error))
    }
}
