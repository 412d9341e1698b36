//! A store on disk, in one file.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use redb::{Database, ReadableDatabase, TableDefinition};

use crate::{Store, StoreError, Write};

const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");

/// A store on disk, in one file, crash-safe: a write that was answered is there after a power cut.
///
/// One process uses the file at a time. An operation takes microseconds to a few milliseconds and blocks the
/// calling thread for as long.
#[derive(Clone)]
pub struct RedbStore(Arc<Database>);

fn error<E: std::error::Error + Send + Sync + 'static>(
    attempt: impl Into<String>,
) -> impl FnOnce(E) -> StoreError {
    let attempt = attempt.into();
    move |source| StoreError {
        attempt,
        source: Box::new(source),
    }
}

impl RedbStore {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// Where it cannot be read or written, or another process uses it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let shown = path.as_ref().display().to_string();
        let database = Database::create(path).map_err(error(format!("open {shown}")))?;
        let begin = database
            .begin_write()
            .map_err(error(format!("open {shown}")))?;
        begin
            .open_table(TABLE)
            .map_err(error(format!("open {shown}")))?;
        begin.commit().map_err(error(format!("open {shown}")))?;
        Ok(Self(Arc::new(database)))
    }
}

#[async_trait]
impl Store for RedbStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let attempt = || format!("read {key}");
        let transaction = self.0.begin_read().map_err(error(attempt()))?;
        let table = transaction.open_table(TABLE).map_err(error(attempt()))?;
        let value = table.get(key).map_err(error(attempt()))?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let attempt = || format!("list {prefix}");
        let transaction = self.0.begin_read().map_err(error(attempt()))?;
        let table = transaction.open_table(TABLE).map_err(error(attempt()))?;
        let mut keys = Vec::new();
        for entry in table.range(prefix..).map_err(error(attempt()))? {
            let (key, _) = entry.map_err(error(attempt()))?;
            if !key.value().starts_with(prefix) {
                break;
            }
            keys.push(key.value().to_owned());
        }
        Ok(keys)
    }

    async fn write(&self, batch: Vec<Write>) -> Result<(), StoreError> {
        let attempt = || match batch.first() {
            Some(Write::Put(key, _)) => format!("write {key}"),
            Some(Write::Remove(key)) => format!("remove {key}"),
            None => "write nothing".to_owned(),
        };
        let transaction = self.0.begin_write().map_err(error(attempt()))?;
        {
            let mut table = transaction.open_table(TABLE).map_err(error(attempt()))?;
            for write in &batch {
                match write {
                    Write::Put(key, value) => {
                        table
                            .insert(key.as_str(), value.as_slice())
                            .map_err(error(attempt()))?;
                    }
                    Write::Remove(key) => {
                        table.remove(key.as_str()).map_err(error(attempt()))?;
                    }
                }
            }
        }
        transaction.commit().map_err(error(attempt()))
    }
}
