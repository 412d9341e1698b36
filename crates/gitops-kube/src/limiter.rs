//! A bucket of tokens: how many requests are begun per second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Limiter {
    per_second: f64,
    burst: f64,
    /// How many tokens there were at a time; fewer than none where some are waited for.
    bucket: Mutex<(f64, Option<Instant>)>,
}

impl Limiter {
    pub(crate) fn new(per_second: f64, burst: u32) -> Option<Self> {
        let limits = per_second.is_finite() && per_second > 0.0;
        let burst = f64::from(burst.max(1));
        limits.then(|| Self {
            per_second,
            burst,
            bucket: Mutex::new((burst, None)),
        })
    }

    /// Waits until a request may be begun. Those who wait are let through in the order in which they came.
    pub(crate) async fn acquire(&self) {
        let wait = {
            let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let (tokens, at) = *bucket;
            let passed = at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
            let tokens = (tokens + passed.as_secs_f64() * self.per_second).min(self.burst) - 1.0;
            *bucket = (tokens, Some(now));
            if tokens < 0.0 {
                Duration::try_from_secs_f64(-tokens / self.per_second).unwrap_or(Duration::MAX)
            } else {
                Duration::ZERO
            }
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}
