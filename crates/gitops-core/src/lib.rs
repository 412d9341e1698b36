//! The GitOps engine: applications, plans, execution, history
#![deny(missing_docs)]
