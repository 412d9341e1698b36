//! The `gitops` command.
fn main() {}
