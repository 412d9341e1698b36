//! Inputs that the benchmarks share.

pub mod objects;
