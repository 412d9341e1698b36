//! `helm template` in process: charts to manifests, byte for byte as Helm 3.22 writes them.
//!
//! A [`Chart`] is read once, from a [`FileTree`](gitops_manifest::FileTree) or an archive, and rendered any
//! number of times: its templates are parsed at the first [`render`] and only executed at the next. [`Values`]
//! are what a user lays over the chart's defaults, in files and assignments. [`Rendered`] has the manifests in
//! install order, hooks with their events and weights, CRDs and notes; [`Rendered::to_yaml`] writes what
//! `helm template` prints.
//!
//! ```
//! use gitops_helm::{Chart, RenderOptions, Values, render};
//! use gitops_manifest::MemoryTree;
//!
//! let tree = MemoryTree::from_iter([
//!     ("Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n"),
//!     ("values.yaml", "labels: {tier: web}\n"),
//!     ("templates/config.yaml", r#"apiVersion: v1
//! kind: ConfigMap
//! metadata:
//!   name: {{ .Release.Name }}-config
//!   labels: {{- toYaml .Values.labels | nindent 4 }}
//! "#),
//! ]);
//! let chart = Chart::load(&tree, "")?;
//! let mut values = Values::new();
//! values.set_string("labels.version=1.10")?;
//! let rendered = render(&chart, &values, &RenderOptions::default())?;
//! assert_eq!(rendered.to_yaml(), r#"---
//! ## Source: shop/templates/config.yaml
//! apiVersion: v1
//! kind: ConfigMap
//! metadata:
//!   name: release-name-config
//!   labels:
//!     tier: web
//!     version: "1.10"
//! "#);
//! # Ok::<(), gitops_helm::Error>(())
//! ```
//!
//! A render reads nothing beside its arguments: no clock, no network, no cluster. Time and randomness are in the
//! [`RenderOptions`], so that a render can be repeated; live objects come through [`Lookup`] where a host has
//! them. Helm's answers are copied with their peculiarities; where this crate differs on purpose, the
//! repository's `docs/differences-helm.md` says so. [`HelmVersion`] selects Helm 4 where it differs from Helm 3.
#![deny(missing_docs)]

mod archive;
mod capabilities;
mod coalesce;
mod compile;
mod data;
mod decode;
mod dependencies;
mod engine;
mod error;
mod functions;
mod functions4;
mod glob;
mod go;
mod ignore;
mod load;
mod lookup;
mod manifest;
mod metadata;
mod node;
mod objects;
mod order;
mod pathmatch;
mod plain;
mod render;
mod resolve;
mod schema;
mod set;
mod skim;
mod tar;
mod toml;
mod trace;
mod values;
mod yaml;

pub use archive::unpack;
pub use capabilities::{Capabilities, KubeVersion};
pub use data::FileData;
pub use dependencies::{Lock, version_fits};
pub use error::Error;
pub use gitops_template::Time;
pub use ignore::IgnoreRules;
pub use load::{Chart, ChartFile};
pub use lookup::Lookup;
pub use metadata::{Dependency, Maintainer, Metadata};
pub use order::HookEvent;
pub use render::{
    Action, Crd, HelmVersion, Hook, Manifest, OnWarning, PostRender, Release, RenderOptions,
    Rendered, release_name, render,
};
pub use values::Values;
