//! helm template, in process
#![deny(missing_docs)]
