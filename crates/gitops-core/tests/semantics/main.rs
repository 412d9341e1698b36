//! What the engine does about windows, deletion, projects, options and other applications, on a cluster in memory.
#![allow(clippy::disallowed_methods)]

mod bed;
mod comparing;
mod deletion;
mod known;
mod options;
mod order;
mod project;
mod running;
mod settings;
mod tracking;
mod wellness;
