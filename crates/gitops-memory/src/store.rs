//! A state store in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use gitops_core::{Store, StoreError, Write};

/// A [`Store`] in memory that fails when it is told to.
///
/// Clones are handles of one store; [`fork`](Self::fork) copies it as a crash would leave it.
///
/// ```
/// use gitops_core::{Store as _, Write};
/// use gitops_memory::{MemoryStore, SimClock};
///
/// let store = MemoryStore::new();
/// SimClock::new().run(async {
///     store.write(vec![Write::Put("history/web/1".into(), b"{}".to_vec())]).await?;
///     store.fail_after(0);
///     assert!(store.write(vec![Write::Remove("history/web/1".into())]).await.is_err());
///     store.recover();
///     assert_eq!(store.keys("history/").await?, ["history/web/1"]);
///     Ok::<(), gitops_core::StoreError>(())
/// })?;
/// # Ok::<(), gitops_core::StoreError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    entries: BTreeMap<String, Vec<u8>>,
    /// How many writes succeed before all that follows fails.
    writes_left: Option<u64>,
    writes: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("the store was told to fail")]
struct ToldToFail;

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns an independent store with the same entries, which does not fail.
    #[must_use]
    pub fn fork(&self) -> Self {
        let entries = self.state().entries.clone();
        Self(Arc::new(Mutex::new(State {
            entries,
            ..State::default()
        })))
    }

    /// Lets `writes` more batches succeed; then every call fails until [`recover`](Self::recover).
    pub fn fail_after(&self, writes: u64) {
        self.state().writes_left = Some(writes);
    }

    /// Lets every call succeed again.
    pub fn recover(&self) {
        self.state().writes_left = None;
    }

    /// Returns how many batches were written.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    fn check(&self, attempt: impl FnOnce() -> String) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state();
        if state.writes_left == Some(0) {
            return Err(StoreError {
                attempt: attempt(),
                source: Box::new(ToldToFail),
            });
        }
        Ok(state)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let state = self.check(|| format!("read {key}"))?;
        Ok(state.entries.get(key).cloned())
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let state = self.check(|| format!("list {prefix}"))?;
        Ok(state
            .entries
            .range(prefix.to_owned()..)
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .cloned()
            .collect())
    }

    async fn write(&self, batch: Vec<Write>) -> Result<(), StoreError> {
        let mut state = self.check(|| match batch.first() {
            Some(Write::Put(key, _) | Write::Remove(key)) => format!("write {key}"),
            None => "write nothing".to_owned(),
        })?;
        for write in batch {
            match write {
                Write::Put(key, value) => {
                    state.entries.insert(key, value);
                }
                Write::Remove(key) => {
                    state.entries.remove(&key);
                }
            }
        }
        state.writes += 1;
        state.writes_left = state.writes_left.map(|left| left - 1);
        Ok(())
    }
}
