//! kustomize build, in process
#![deny(missing_docs)]
