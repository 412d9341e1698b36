//! GitOps as a library: render, diff, plan, sync and roll back Kubernetes applications from Git
#![deny(missing_docs)]
