//! Tests of the chart renderer.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

#[path = "../examples/template/args.rs"]
mod args;
mod chart;
mod conformance;
mod helm4;
mod set;
