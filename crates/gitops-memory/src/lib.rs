//! A Kubernetes API server in a value, for tests and simulations
#![deny(missing_docs)]
