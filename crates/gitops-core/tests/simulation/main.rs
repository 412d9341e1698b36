//! Whole stories with faults, made up from a seed: commits, drift, crashes between any two writes, lost answers, lost watches,
//! kinds that cannot be listed, clocks that jump. While they happen nothing else is touched, nothing goes that Git still
//! has, and no hook runs twice in one attempt; once the faults stop the cluster is what Git says.
//!
//! `GITOPS_SIMULATION_SEEDS=50000` tells as many stories, `GITOPS_SIMULATION_SEED=42` that one alone, with its course.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

mod spy;
mod story;

use std::panic::{AssertUnwindSafe, catch_unwind};

use story::Story;

/// How many stories the ordinary run tells.
const SEEDS: u64 = 300;

/// How many failures end a run.
const ENOUGH: usize = 20;

/// A generator of numbers that look random: SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// Tells one story; returns what goes wrong in it, with its course.
fn tell(seed: u64) -> Result<String, String> {
    let mut story = Story::new(seed);
    let clock = story.clock.clone();
    let outcome = catch_unwind(AssertUnwindSafe(|| clock.run(story.tell())));
    let outcome = outcome.unwrap_or_else(|_| Err("something panics".to_owned()));
    let course = story.course();
    match outcome {
        Ok(()) => Ok(course),
        Err(error) => Err(format!(
            "seed {seed}, told again by GITOPS_SIMULATION_SEED={seed}: {error}\n{course}"
        )),
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is {text:?} and must be a number")),
    )
}

#[test]
fn stories_with_faults_end_well() {
    if let Some(seed) = number("GITOPS_SIMULATION_SEED") {
        match tell(seed) {
            Ok(course) => println!("seed {seed} ends well\n{course}"),
            Err(failure) => panic!("{failure}"),
        }
        return;
    }
    let seeds = number("GITOPS_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let mut failures = Vec::new();
    let mut told = 0;
    for seed in 0..seeds {
        told += 1;
        if let Err(failure) = tell(seed) {
            println!("{failure}\n");
            failures.push(failure);
            if failures.len() == ENOUGH {
                break;
            }
        }
    }
    println!("simulation: {} / {told}", told - failures.len() as u64);
    assert!(failures.is_empty(), "{}", failures[0]);
}

#[test]
fn a_story_is_told_the_same_way_twice() {
    for seed in [3, 14, 159] {
        assert_eq!(tell(seed), tell(seed), "seed {seed}");
    }
}
