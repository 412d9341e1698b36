//! Tests of the crate from outside, by area; `conformance` runs the recorded suites.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

mod actions;
mod aggregate;
#[cfg(feature = "cel")]
mod cel;
mod conformance;
mod customizations;
#[cfg(feature = "lua")]
mod lua;
mod over_time;
mod standard;
mod support;
