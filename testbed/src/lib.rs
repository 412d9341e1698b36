//! A real Kubernetes control plane on loopback, for tests.
//!
//! etcd, the API server, the controller manager and the scheduler are the published ones, linked into one program by the
//! Go module in `controlplane/`; kwok plays the kubelets, so that Deployments roll out, Jobs complete and claims are
//! bound. What kwok does is in `stages.yaml`: the tag of an image makes its container crash (`:crash`), hang (`:hang`),
//! never become ready (`:unready`) or be slow (`:slow`).
//!
//! ```no_run
//! # async fn test() {
//! let Some(testbed) = testbed::Testbed::shared().await else { return }; // it has said why
//! let client = testbed.client().await;
//! let namespace = testbed.namespace("my-test").await;
//! # }
//! ```
//!
//! One control plane serves all tests of a process. A test that disturbs it starts its own, with [`Testbed::start`]. The
//! programs end with the process that started them, however it ends: each reads a pipe that only that process holds.
//!
//! # Environment
//!
//! | variable | meaning |
//! | --- | --- |
//! | `TESTBED_PROGRAMS` | a folder with a built `controlplane`; nothing is built then |
//! | `KUBECONFIG_TESTBED` | the kubeconfig of another cluster to test on, such as one of `cargo run -p testbed` |
//! | `TESTBED_LOGS` | a folder to write the logs of the programs to; they are kept there |
//!
//! With neither of the first two, the programs are built by Go once for each state of `controlplane/`, into `testbed/`
//! of Cargo's target folder; that takes about ten CPU minutes. Without Go, [`Testbed::shared`] says so and returns nothing.
#![deny(missing_docs)]
#![allow(
    clippy::disallowed_methods,
    reason = "support for tests: it reads where to find the programs, starts them and waits for them"
)]

mod access;
mod cluster;
mod error;
mod processes;
mod programs;
mod wait;

pub use access::{Identity, Pem};
pub use cluster::Testbed;
pub use error::{Error, Result};
pub use wait::eventually;
