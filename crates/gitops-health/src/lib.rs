//! The health of Kubernetes objects, with a cause.
//!
//! [`assess`] tells how one object is doing, in the words of Argo CD: it knows the kinds of Kubernetes and some
//! three hundred kinds of others, the way Argo CD 3.6 does, messages included. [`aggregate`] puts the health of
//! an application together. [`kstatus`] tells the same objects the way Flux does. [`Rules`] are what users bring.
//!
//! ```
//! use gitops_health::{Context, HealthStatus, assess};
//! use gitops_manifest::Object;
//!
//! let deployment = Object::try_from(serde_json::json!({
//!     "apiVersion": "apps/v1", "kind": "Deployment",
//!     "metadata": {"name": "web", "namespace": "shop", "generation": 2},
//!     "spec": {"replicas": 3},
//!     "status": {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 1},
//! }))?;
//! let health = assess(&deployment, &Context::new()).expect("deployments have health");
//! assert_eq!(health.status, HealthStatus::Progressing);
//! assert_eq!(
//!     health.message,
//!     "Waiting for rollout to finish: 1 of 3 updated replicas are available..."
//! );
//! # Ok::<(), gitops_manifest::ObjectError>(())
//! ```
//!
//! Everything here is a pure function of its arguments: what time it is comes in through [`Context::now`].
#![deny(missing_docs)]

pub mod actions;
mod aggregate;
mod assess;
mod assessment;
mod causes;
#[cfg(feature = "cel")]
pub mod cel;
mod context;
mod customizations;
pub mod kstatus;
#[cfg(feature = "lua")]
pub mod lua;
mod pattern;
mod rules;
mod status;
mod time;
mod timeline;
mod users;

mod view;

pub use aggregate::{Part, aggregate};
pub use assess::{assess, ignores_health};
pub use assessment::{Assessment, Cause, Verdict};
pub use causes::Family;
pub use context::{Context, Strategy};
pub use customizations::{CustomActions, Customization, CustomizationError, Customizations};
pub use status::{HealthStatus, UnknownStatus};
pub use timeline::{Timeline, TimelineOptions};
pub use users::{Rule, RuleError, Rules};
