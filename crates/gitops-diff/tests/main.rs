//! Integration tests of gitops-diff. Modules mirror those of the crate.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

mod compare;
mod found;
mod ignore;
mod json_patch;
mod laws;
mod mask;
mod merge_laws;
mod merge_patch;
mod normalize;
mod schema;
mod show;
mod strategic;
mod structured;
mod support;
mod values;
mod writes;
