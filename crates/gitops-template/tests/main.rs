//! Tests against what Go's `text/template` and sprig print.
#![allow(clippy::disallowed_methods)]

mod golden;
mod laws;
mod limits;
