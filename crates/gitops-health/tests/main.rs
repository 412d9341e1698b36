//! Tests of the crate from outside, by area; `conformance` runs the recorded suites.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

mod actions;
mod aggregate;
mod conformance;
mod support;
