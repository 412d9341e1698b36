//! Sources of manifests: Git repositories
#![deny(missing_docs)]
