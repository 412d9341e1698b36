//! The tests of `gitops-manifest`, one module per area.

mod laws;
mod trees;
mod yaml_differences;
mod yaml_golden;
mod yaml_read;
mod yaml_write;
