//! Git repositories, made in the test.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

#[cfg(feature = "charts")]
mod charts;
mod local;
mod remote;
mod repository;
