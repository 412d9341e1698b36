use std::sync::Arc;

use gitops_memory::{MemoryOptions, MemoryTarget, SimClock, Simulation, contract};

#[test]
fn the_cluster_in_memory_keeps_the_contract() {
    for simulation in [Simulation::default(), Simulation::none()] {
        let clock = SimClock::new();
        let mut options = MemoryOptions::default();
        options.simulation = simulation;
        let target = MemoryTarget::with_options(Arc::new(clock.clone()), &options);
        let failures = clock.run(contract::check(&target, &clock, "default"));
        let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}
