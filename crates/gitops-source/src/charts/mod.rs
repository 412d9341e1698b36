//! Charts as sources: repositories with an `index.yaml` behind HTTP(S), and registries (`oci://`).

mod address;
mod archive;
mod cache;
mod credentials;
mod index;
mod network;
mod oci;
mod serve;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gitops_core::{
    Clock, Revision, RevisionInfo, Source, SourceError, SourceRef, SystemClock, Timestamp,
};
use gitops_manifest::{FileTree, MemoryTree};

use crate::address::redact;
use crate::mirror::blocking;
use address::ChartAddress;
use cache::Cache;
pub use credentials::{ChartCredentials, ChartKeyring, ClientCertificate};
use index::Index;
use network::{Answer, Network, NetworkError};

/// How many charts are kept unpacked.
const OPEN_TREES: usize = 32;

/// The settings of a [`ChartSource`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChartOptions {
    /// What opens repositories, and how their servers are trusted.
    pub keyring: ChartKeyring,
    /// How long one request may take.
    pub timeout: Duration,
    /// For how long an index, or what a registry said of a version, counts as new: however many ask, it is asked for
    /// once in this time.
    pub fresh_for: Duration,
    /// Whether nothing is asked over the network: what is in the cache has to do, however old it is.
    pub offline: bool,
    /// How many bytes an index may have.
    pub max_index: usize,
    /// How many bytes a packed chart may have.
    pub max_chart: u64,
    /// The proxy, as `http://proxy.example.com:3128`, and the hosts that are reached without it, separated by commas.
    pub proxy: Option<(String, String)>,
    /// How the client names itself.
    pub user_agent: String,
}

impl Default for ChartOptions {
    fn default() -> Self {
        Self {
            keyring: ChartKeyring::default(),
            timeout: Duration::from_secs(90),
            fresh_for: Duration::from_secs(3),
            offline: false,
            max_index: 64 << 20,
            max_chart: 100 << 20,
            proxy: None,
            user_agent: concat!("gitops/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Chart repositories and registries as a source.
///
/// A [`SourceRef`] with a `chart` asks for a chart of a repository with an index (`https://charts.example.com`) or of
/// a registry (`oci://registry.example.com/charts`, or the same without `oci://`); one without a chart whose address
/// begins with `oci://` asks for the artifact itself. The wanted revision is a version, a range of versions as Helm
/// reads it, a digest (`sha256:…`), or nothing, which means the highest version that is no pre-release.
///
/// The id of a [`Revision`] is a digest: that of the packed chart for repositories with an index, that of the manifest
/// for registries. Its name is the version. The tree of a revision is the chart unpacked, without the folder of its
/// name.
///
/// What was received is kept in a folder under its digest, which is checked whenever it is read; what is damaged is
/// fetched again. Processes may share the folder.
///
/// ```
/// use gitops_core::{Source, SourceRef};
/// use gitops_source::ChartSource;
///
/// let folder = tempfile::tempdir()?;
/// let source = ChartSource::new(folder.path());
/// assert!(source.supports(&SourceRef::chart("https://charts.example.com", "web", "^1.2")));
/// assert!(source.supports(&SourceRef::chart("oci://registry.example.com/charts", "web", "1.2.3")));
/// assert!(source.supports(&SourceRef::git("oci://registry.example.com/charts/web", "1.2.3")));
/// assert!(!source.supports(&SourceRef::git("https://git.example.com/shop.git", "main")));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct ChartSource(Arc<Shared>);

pub(super) struct Shared {
    cache: Cache,
    options: ChartOptions,
    clock: Arc<dyn Clock>,
    /// The reason where there can be no connections.
    network: Result<Network, String>,
    indexes: Mutex<HashMap<String, FreshIndex>>,
    /// What logs in to a repository of a registry.
    tokens: Mutex<HashMap<(String, String), String>>,
    /// What registries said of revisions, and when.
    resolved: Mutex<HashMap<SourceRef, (Timestamp, Revision)>>,
    trees: Mutex<Vec<(String, Arc<MemoryTree>)>>,
}

#[derive(Clone)]
struct FreshIndex {
    at: Timestamp,
    /// The hash of the text.
    hash: String,
    index: Arc<Index>,
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn tokens(&self) -> MutexGuard<'_, HashMap<(String, String), String>> {
        guard(&self.tokens)
    }
}

impl ChartSource {
    /// Makes a source that keeps what it receives in a folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self::with_options(folder, ChartOptions::default())
    }

    /// Makes a source with settings.
    #[must_use]
    pub fn with_options(folder: impl Into<PathBuf>, options: ChartOptions) -> Self {
        let network = Network::new(
            options.timeout,
            options.proxy.clone(),
            options.user_agent.clone(),
        );
        Self(Arc::new(Shared {
            cache: Cache::new(folder.into()),
            clock: Arc::new(SystemClock),
            network: network.map_err(|error| error.to_string()),
            options,
            indexes: Mutex::default(),
            tokens: Mutex::default(),
            resolved: Mutex::default(),
            trees: Mutex::default(),
        }))
    }

    /// Forgets how new what was received is: the next question is asked over the network. Call it when a webhook
    /// tells of a new version.
    pub fn invalidate(&self) {
        for fresh in guard(&self.0.indexes).values_mut() {
            fresh.at = Timestamp::from_micros(i64::MIN);
        }
        guard(&self.0.resolved).clear();
    }

    /// Returns the packed chart of a resolved revision.
    ///
    /// # Errors
    /// [`SourceError`]; also where the revision is no chart.
    pub async fn archive(&self, revision: &Revision) -> Result<Arc<[u8]>, SourceError> {
        let (shared, revision) = (Arc::clone(&self.0), revision.clone());
        blocking(move || shared.archive(&revision).map(|(bytes, _)| bytes.into())).await
    }

    /// Fetches a single file over HTTP(S): a values file, a packed chart that is in no index.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn fetch(&self, url: &str) -> Result<Arc<[u8]>, SourceError> {
        let (shared, url) = (Arc::clone(&self.0), url.to_owned());
        blocking(move || shared.fetch(&url).map(Into::into)).await
    }
}

#[async_trait]
impl Source for ChartSource {
    fn supports(&self, source: &SourceRef) -> bool {
        (source.chart.is_some() || source.repo.trim().starts_with("oci://"))
            && ChartAddress::of(source).is_ok()
    }

    async fn resolve(&self, source: &SourceRef) -> Result<Revision, SourceError> {
        let (shared, source) = (Arc::clone(&self.0), source.clone());
        blocking(move || shared.resolve(&source)).await
    }

    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn FileTree>, SourceError> {
        let (shared, revision) = (Arc::clone(&self.0), revision.clone());
        blocking(move || shared.tree(&revision).map(|tree| tree as Arc<dyn FileTree>)).await
    }

    async fn describe(&self, revision: &Revision) -> Result<RevisionInfo, SourceError> {
        let (shared, revision) = (Arc::clone(&self.0), revision.clone());
        blocking(move || shared.describe(&revision)).await
    }
}

/// Says that what a repository serves cannot be used.
pub(super) fn invalid(repo: &str, reason: impl Into<String>) -> SourceError {
    SourceError::Invalid {
        repo: redact(repo).into(),
        source: Box::new(NetworkError::Unusable(reason.into())),
    }
}

/// Says that a repository gave no answer.
fn network_error(repo: &str, error: NetworkError) -> SourceError {
    let repo = redact(repo).into();
    match error {
        NetworkError::Unreachable(_) => SourceError::Unreachable {
            repo,
            source: Box::new(error),
        },
        NetworkError::Unusable(_) => SourceError::Invalid {
            repo,
            source: Box::new(error),
        },
    }
}

/// Says what the status of an answer means.
fn status_error(repo: &str, answer: &Answer) -> SourceError {
    let name = reqwest::StatusCode::from_u16(answer.status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default();
    let text = format!(
        "{} answers {} {name}",
        redact(answer.url.as_str()),
        answer.status
    );
    let source = |text| Box::new(NetworkError::Unusable(text));
    let repo = redact(repo).into();
    match answer.status {
        401 | 403 | 407 => SourceError::AccessDenied {
            repo,
            source: source(text),
        },
        408 | 425 | 429 | 500..=599 => SourceError::Unreachable {
            repo,
            source: source(text),
        },
        _ => SourceError::Invalid {
            repo,
            source: source(text),
        },
    }
}
