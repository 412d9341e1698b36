//! Git repositories, made in the test.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

mod local;
mod remote;
mod repository;
