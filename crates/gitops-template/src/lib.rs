//! Go text/template and sprig in Rust
#![deny(missing_docs)]

pub mod semver;
