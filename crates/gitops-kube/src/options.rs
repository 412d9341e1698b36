//! How a cluster is talked to.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gitops_core::ApiKind;
use gitops_manifest::Str;

/// How much of the objects of a kind is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Everything.
    #[default]
    Full,
    /// `apiVersion`, `kind` and `metadata`, which the API server sends alone: the rest is neither sent nor kept. What
    /// was read so can be told by its `metadata.managedFields` being absent; [`get`](gitops_core::Target::get) returns
    /// the whole object at any time.
    Metadata,
    /// Nothing: the objects are neither listed nor watched, and the kind is among those that were not listed. They can
    /// be read and written one by one.
    None,
}

type ContentOf = dyn Fn(&ApiKind) -> Content + Send + Sync;
type OnWarning = dyn Fn(&ServerWarning) + Send + Sync;

/// A warning that an API server sent along with its answer: of an API that will go away, of a field that it does not
/// know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerWarning {
    /// What was attempted.
    pub attempt: String,
    /// What the server says.
    pub text: String,
}

/// How often and how long a request is repeated that the server did not take, or took and did not answer.
///
/// What the server turned away unread (429, 503 and 5xx with `Retry-After`, a refused connection) is always repeated;
/// what may have been carried out only where a repetition does no harm.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RetryOptions {
    /// How often a request is sent at most.
    pub attempts: u32,
    /// How long it is tried at most, pauses included.
    pub time: Duration,
    /// The first pause; each further one is twice as long.
    pub pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            attempts: 8,
            time: Duration::from_secs(30),
            pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
        }
    }
}

/// How a [`KubeTarget`](crate::KubeTarget) works.
#[derive(Clone)]
#[non_exhaustive]
pub struct KubeOptions {
    /// How many requests are begun per second on average; `None` for no limit. Servers protect themselves by priority
    /// and fairness, so that none is needed as a rule.
    pub qps: Option<f64>,
    /// How many requests may be begun at once before the average counts.
    pub burst: u32,
    /// How many objects are asked for in one page of a list.
    pub page_size: u32,
    /// How many lists are read at the same time.
    pub parallel_lists: usize,
    /// How long one request may take, its answer included. Watches are not meant.
    pub timeout: Duration,
    /// How requests are repeated.
    pub retry: RetryOptions,
    /// How long it is believed which kinds there are while nothing speaks against it.
    pub discovery_age: Duration,
    /// How long a watch may be silent before it is begun anew. Servers send a bookmark every minute.
    pub watch_silence: Duration,
    /// How long a kind cannot be followed before that is [told](gitops_core::WatchEvent::Unlisted).
    pub patience: Duration,
    /// The namespaces that may be read; empty for all, which takes the right to list across namespaces.
    pub namespaces: BTreeSet<Str>,
    /// Whether objects that live in no namespace are read.
    pub cluster_objects: bool,
    /// The managers of client-side applies whose fields the first server-side apply takes over, besides those that own the
    /// last-applied annotation; empty to take over nothing at all.
    pub migrate: Vec<Str>,
    content: Arc<ContentOf>,
    warning: Option<Arc<OnWarning>>,
}

impl Default for KubeOptions {
    fn default() -> Self {
        Self {
            qps: None,
            burst: 100,
            page_size: 500,
            parallel_lists: 8,
            timeout: Duration::from_secs(60),
            retry: RetryOptions::default(),
            discovery_age: Duration::from_secs(180),
            watch_silence: Duration::from_secs(150),
            patience: Duration::from_secs(30),
            namespaces: BTreeSet::new(),
            cluster_objects: true,
            migrate: vec![Str::from_static("kubectl-client-side-apply")],
            content: Arc::new(default_content),
            warning: None,
        }
    }
}

impl KubeOptions {
    /// Limits how many requests are begun per second, with so many at once.
    #[must_use]
    pub const fn with_qps(mut self, qps: f64, burst: u32) -> Self {
        self.qps = Some(qps);
        self.burst = burst;
        self
    }

    /// Says how much is read of the objects of each kind. [`default_content`] is what is done without it.
    #[must_use]
    pub fn with_content(
        mut self,
        content: impl Fn(&ApiKind) -> Content + Send + Sync + 'static,
    ) -> Self {
        self.content = Arc::new(content);
        self
    }

    /// Hands warnings of the server to a function. Without one they go to the log, each text once.
    #[must_use]
    pub fn with_warnings(
        mut self,
        warning: impl Fn(&ServerWarning) + Send + Sync + 'static,
    ) -> Self {
        self.warning = Some(Arc::new(warning));
        self
    }

    /// Reads objects of these namespaces alone.
    #[must_use]
    pub fn with_namespaces<N: Into<Str>>(
        mut self,
        namespaces: impl IntoIterator<Item = N>,
    ) -> Self {
        self.namespaces
            .extend(namespaces.into_iter().map(Into::into));
        self
    }

    /// Says whether objects that live in no namespace are read.
    #[must_use]
    pub const fn with_cluster_objects(mut self, read: bool) -> Self {
        self.cluster_objects = read;
        self
    }

    /// Returns how much is read of the objects of a kind.
    #[must_use]
    pub fn content(&self, kind: &ApiKind) -> Content {
        (self.content)(kind)
    }

    pub(crate) fn warning(&self) -> Option<&OnWarning> {
        self.warning.as_deref()
    }
}

impl fmt::Debug for KubeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubeOptions")
            .field("qps", &self.qps)
            .field("burst", &self.burst)
            .field("page_size", &self.page_size)
            .field("parallel_lists", &self.parallel_lists)
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .field("namespaces", &self.namespaces)
            .field("cluster_objects", &self.cluster_objects)
            .field("migrate", &self.migrate)
            .finish_non_exhaustive()
    }
}

/// Returns how much is read of the objects of a kind unless a host says otherwise: nothing of what changes all the time
/// and comes from the cluster's own machinery, everything of the rest.
///
/// Left out are events, metrics, leases, the slices of endpoints, requests of certificates and of reviews, the endpoints
/// and identities of Cilium and the reports of policies: what Argo CD 3 leaves out by its default `resource.exclusions`,
/// but for `Endpoints` and `CertificateSigningRequest`, which people do write by hand.
#[must_use]
pub fn default_content(kind: &ApiKind) -> Content {
    let name = kind.gvk.kind.as_str();
    let left_out = match kind.gvk.group.as_str() {
        "" => name == "Event",
        "events.k8s.io" | "metrics.k8s.io" | "wgpolicyk8s.io" | "reports.kyverno.io" => true,
        "coordination.k8s.io" => matches!(name, "Lease" | "LeaseCandidate"),
        "discovery.k8s.io" => name == "EndpointSlice",
        "authentication.k8s.io" | "authorization.k8s.io" => name.ends_with("Review"),
        "cert-manager.io" => name == "CertificateRequest",
        "cilium.io" => matches!(
            name,
            "CiliumIdentity" | "CiliumEndpoint" | "CiliumEndpointSlice"
        ),
        "kyverno.io" => name.ends_with("Report"),
        _ => false,
    };
    if left_out {
        Content::None
    } else {
        Content::Full
    }
}
