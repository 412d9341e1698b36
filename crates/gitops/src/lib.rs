//! GitOps as a library: what is desired is in Git, what is there is in a cluster, and an [`Engine`] takes the
//! second to the first and keeps it there.
//!
//! It does in one process what Argo CD, Kustomize and `kubectl diff` do together, on the manifests that teams
//! have: `argoproj.io/v1alpha1`, `kustomization.yaml`, plain YAML.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use gitops::application::{Application, ApplicationSource, SyncStatusCode};
//! use gitops::memory::{MemorySource, MemoryStore, MemoryTarget, SimClock};
//! use gitops::{Engine, KustomizeRenderer, SyncRequest};
//!
//! // A repository and a cluster. In earnest these are a `GitSource` and a Kubernetes API server.
//! let (clock, source) = (SimClock::new(), MemorySource::new());
//! let repo = "https://git.example.com/shop.git";
//! source.commit(repo, "main", [
//!     ("web/kustomization.yaml", "resources: [config.yaml]\nnamePrefix: shop-\n"),
//!     ("web/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {level: info}\n"),
//! ]);
//! let target = MemoryTarget::new(Arc::new(clock.clone()));
//! let engine = Engine::builder(source, target, MemoryStore::new())
//!     .clock(clock.clone())
//!     .renderer(KustomizeRenderer::default())
//!     .build();
//!
//! clock.run(async {
//!     let web = Application::new("web", ApplicationSource::git(repo, "web", "main"), "default");
//!     let web = engine.set_application(web);
//!     let plan = engine.plan(&web, &SyncRequest::by("me")).await?; // a value: print it, review it, keep it
//!     assert_eq!(plan.steps().count(), 1);
//!     engine.apply_plan(&plan).await?; // exactly that, or nothing
//!     engine.settle(Duration::from_secs(60)).await?;
//!     assert_eq!(engine.status(&web).unwrap().sync.status, SyncStatusCode::Synced);
//!     Ok::<(), gitops::EngineError>(())
//! })?;
//! # Ok::<(), gitops::EngineError>(())
//! ```
//!
//! # The parts
//!
//! Every part is a crate that is useful alone, re-exported here by feature:
//!
//! | module | crate | what it does | feature |
//! | --- | --- | --- | --- |
//! | [`manifest`] | `gitops-manifest` | values, objects, YAML as Kubernetes has it, file trees | always |
//! | [`diff`] | `gitops-diff` | patches, three-way and server-side-apply diff, with reasons | always |
//! | [`health`] | `gitops-health` | is it well, and if not, why | always |
//! | the root | `gitops-core` | applications, plans, syncs, history, rollback | always |
//! | `kustomize` | `gitops-kustomize` | `kustomize build` in process | `kustomize` |
//! | `helm` | `gitops-helm` | `helm template` in process | `helm` |
//! | `source` | `gitops-source` | Git repositories, chart repositories and registries | `git`, `charts` |
//! | `kube` | `gitops-kube` | Kubernetes API servers as clusters | `kube` |
//! | `memory` | `gitops-memory` | a Kubernetes API server in a value, for tests | `memory` |
//!
//! # Promises
//!
//! 1. *What was planned is what is applied.* A [`Plan`] can be written to a file, reviewed and applied later; where
//!    live state has moved in a way that matters it is refused, with the difference.
//! 2. *Nothing is deleted by accident.* An error, an empty render or an unreadable source never becomes a prune.
//! 3. *The same inputs give the same bytes*, in output and in errors.
//! 4. *Every error says what, where and what to do.*
//! 5. *A crash loses nothing.* Progress is recorded before it is relied on.
#![deny(missing_docs)]

#[cfg(feature = "helm")]
mod chart_loader;
#[cfg(all(feature = "helm", feature = "kustomize"))]
mod charts;
#[cfg(feature = "helm")]
mod helm_renderer;
#[cfg(feature = "kustomize")]
mod kustomize_renderer;
#[cfg(feature = "kustomize")]
mod remote;
#[cfg(feature = "helm")]
mod seed;
#[cfg(feature = "helm")]
mod value_files;

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

pub use gitops_core::*;
pub use gitops_diff as diff;
pub use gitops_health as health;
#[cfg(feature = "helm")]
pub use gitops_helm as helm;
#[cfg(feature = "kube")]
pub use gitops_kube as kube;
#[cfg(feature = "kustomize")]
pub use gitops_kustomize as kustomize;
pub use gitops_manifest as manifest;
#[cfg(feature = "memory")]
pub use gitops_memory as memory;
#[cfg(any(feature = "charts", feature = "git"))]
pub use gitops_source as source;

#[cfg(feature = "helm")]
pub use chart_loader::{ChartLoader, SourceCharts, build_dependencies};
#[cfg(all(feature = "helm", feature = "kustomize"))]
pub use charts::Charts;
#[cfg(feature = "helm")]
pub use helm_renderer::HelmRenderer;
#[cfg(feature = "kustomize")]
pub use kustomize_renderer::KustomizeRenderer;
#[cfg(feature = "kustomize")]
pub use remote::RemoteBases;
#[cfg(feature = "helm")]
pub use seed::kept_seed;
