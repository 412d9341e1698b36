//! `kustomize build`, in process.
//!
//! [`build`] takes a [`FileTree`](gitops_manifest::FileTree) and the path of a folder in it, and gives the objects
//! that `kustomize build` 5.8.2 prints for that folder; [`Build::to_yaml`] gives its bytes. Its cost grows with the size
//! of the input: resources are found through an index, and field specs are compiled to trees that walk an object
//! once.
//!
//! ```
//! use gitops_kustomize::{BuildOptions, build};
//! use gitops_manifest::MemoryTree;
//!
//! let tree = MemoryTree::from_iter([
//!     (
//!         "kustomization.yaml",
//!         "resources: [web.yaml]\nimages:\n- name: nginx\n  newTag: '1.27'\nconfigMapGenerator:\n- name: settings\n  literals: [LEVEL=info]\n",
//!     ),
//!     (
//!         "web.yaml",
//!         "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: web\n    image: nginx\n    envFrom:\n    - configMapRef: {name: settings}\n",
//!     ),
//! ]);
//! let build = build(&tree, "", &BuildOptions::default())?;
//! let pod = &build.objects[1];
//! let container = pod.at(&["spec", "containers"]).and_then(|c| c.pointer("/0"));
//! let container = container.expect("the pod has a container");
//! assert_eq!(container["image"].as_str(), Some("nginx:1.27"));
//! // The name of the generated ConfigMap ends in a hash of its content, and references follow.
//! assert_eq!(
//!     container.pointer("/envFrom/0/configMapRef/name").and_then(|name| name.as_str()),
//!     Some(build.objects[0].name())
//! );
//!
//! // A mistake has its place, and what is misspelt is told what it is near to.
//! let tree = MemoryTree::from_iter([("kustomization.yaml", "resuorces: []\n")]);
//! let errors = gitops_kustomize::build(&tree, "", &BuildOptions::default()).unwrap_err();
//! assert_eq!(
//!     errors.to_string(),
//!     "kustomization.yaml:1:1: resuorces: unknown field `resuorces`; did you mean `resources`?"
//! );
//! # Ok::<(), gitops_kustomize::BuildErrors>(())
//! ```
//!
//! The library reads nothing but the tree. What a kustomization may need beyond it the host supplies through traits:
//! a [`RemoteLoader`] for remote bases, a [`HelmRenderer`] for charts, a [`FunctionRunner`] for functions of the
//! Kubernetes resource model. Without them such kustomizations are refused with a message that says so.
#![deny(missing_docs)]

mod build;
mod builder;
mod comments;
mod config;
pub mod edit;
mod embedded;
mod error;
mod fieldspec;
mod function;
mod generate;
mod hash;
mod helm;
mod id;
mod jsonpatch;
mod kustomization;
mod load;
mod merge;
mod near;
mod node;
mod options;
mod origin;
mod plugin;
mod read;
mod remote;
mod resmap;
mod resource;
mod scalar;
mod schema;
mod scope;
mod selector;
mod sort;
mod transform;

pub use build::{Build, build};
pub use error::{BuildError, BuildErrors, ErrorKind, Place};
pub use function::{
    ContainerFunction, ExecFunction, Function, FunctionCall, FunctionRunner, Mount,
    read_resource_list, read_results,
};
pub use helm::{HelmRenderer, HelmRequest};
pub use options::{BuildOptions, Environment, KUSTOMIZE_VERSION, LoadRestrictor, Reorder};
pub use remote::{RemoteError, RemoteLoader, RepositorySpec, RepositorySpecError};
