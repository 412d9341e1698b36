//! Health of Kubernetes objects, with a cause
#![deny(missing_docs)]
