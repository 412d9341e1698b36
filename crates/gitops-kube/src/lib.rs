//! Kubernetes API servers as targets of the engine.
#![deny(missing_docs)]
