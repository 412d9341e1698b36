//! Tests of the crate as its users see it.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

mod conformance;
