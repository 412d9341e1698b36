//! The controller on a cluster in memory, in simulated time.

mod charts;
mod definitions;
mod leases;
mod life;
mod process;
mod real;
mod webhooks;
mod world;
