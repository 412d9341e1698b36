use std::time::{Duration, Instant};

/// How long [`eventually`] waits: long, as the machine may be loaded; what comes about takes a fraction of it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks again and again until there is an answer.
///
/// The check returns what was asked for, or what it saw instead.
///
/// # Panics
/// After two minutes without an answer, with what was seen last.
pub async fn eventually<T, F>(what: &str, mut check: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    let start = Instant::now();
    loop {
        match check().await {
            Ok(found) => return found,
            Err(seen) => {
                assert!(
                    start.elapsed() < PATIENCE,
                    "{what}: not within {} s; seen last: {seen}",
                    PATIENCE.as_secs()
                );
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
