//! A controller that looks after `Application` objects of `argoproj.io/v1alpha1`, in place of Argo CD's: as a library,
//! so that all of it can be tried on a cluster in memory.
//!
//! [`Controller`] puts the engine together with what a cluster expects of a controller: status and Events, the refresh
//! annotation and the `operation` field, Leases, webhooks, metrics.
#![deny(missing_docs)]

mod controller;
mod events;
mod http;
mod inbox;
mod lease;
mod log;
mod metrics;
mod seed;
mod settings;
pub mod status;
pub mod webhook;
mod writer;

pub use controller::{Connect, Controller, ControllerError, ControllerOptions, Ended, Parts};
pub use http::{Answer, router};
pub use lease::{LeaseOptions, shard_of};
pub use seed::shared_seed;
pub use settings::{RepositoryCredentials, Settings};
