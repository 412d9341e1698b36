//! A Kubernetes API server in a value, for tests and simulations.
//!
//! There is an in-memory implementation of every trait through which the engine meets the world: a
//! [`MemoryTarget`] is a cluster, a [`MemorySource`] holds repositories, a [`MemoryStore`] keeps state, and a
//! [`SimClock`] tells a time that passes only when everybody waits for it.
#![deny(missing_docs)]

mod clock;
pub mod contract;
mod faults;
mod random;
mod server;
mod simulation;
mod source;
mod store;
mod target;

pub use clock::SimClock;
pub use faults::{Fault, FaultKind, Faults, Operation};
pub use simulation::{Behaviour, Simulation};
pub use source::{CommitOptions, MemorySource};
pub use store::MemoryStore;
pub use target::{MemoryOptions, MemoryTarget, Request};
