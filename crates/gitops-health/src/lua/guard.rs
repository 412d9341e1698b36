//! The limits of a script that is running.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many instructions a script runs between two looks at its limits.
pub(super) const INTERVAL: u32 = 200;

/// Reads the clock. Nothing of it reaches a result but that a script ran for too long: how much time a script
/// may take is a matter of the machine, and only the machine can tell how much it has taken.
#[allow(
    clippy::disallowed_methods,
    reason = "bounds the running time of a script; a clock passed in would let a script run for ever in a simulation"
)]
fn now() -> Instant {
    Instant::now()
}

/// The limits of the script that a state runs at the moment.
#[derive(Debug)]
pub(super) struct Guard {
    born: Instant,
    /// When the script has to be through, in nanoseconds since the birth of the guard.
    deadline: AtomicU64,
    tripped: AtomicBool,
}

impl Guard {
    pub(super) fn new() -> Self {
        Self {
            born: now(),
            deadline: AtomicU64::new(u64::MAX),
            tripped: AtomicBool::new(false),
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(now().duration_since(self.born).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Gives the next script its time.
    pub(super) fn start(&self, limit: Duration) {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        self.tripped.store(false, Ordering::Relaxed);
        self.deadline
            .store(self.elapsed().saturating_add(limit), Ordering::Relaxed);
    }

    /// Whether the script has run out of time; stays so until the next one starts.
    pub(super) fn is_over(&self) -> bool {
        if self.tripped.load(Ordering::Relaxed) {
            return true;
        }
        let over = self.elapsed() > self.deadline.load(Ordering::Relaxed);
        if over {
            self.tripped.store(true, Ordering::Relaxed);
        }
        over
    }

    /// Whether the script was found to have run out of time.
    pub(super) fn has_tripped(&self) -> bool {
        self.tripped.load(Ordering::Relaxed)
    }
}
