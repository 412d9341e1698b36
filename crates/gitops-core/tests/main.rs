//! Tests of the engine.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

mod conformance;
mod decisions;
mod sync;
