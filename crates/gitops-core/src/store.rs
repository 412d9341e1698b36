//! What the engine must not forget: history, operations in flight, rendered objects.

use async_trait::async_trait;

/// Why a store failed. Trying again may help.
#[derive(Debug, thiserror::Error)]
#[error("the state store failed to {attempt}")]
pub struct StoreError {
    /// What was attempted, as `read applications/web`.
    pub attempt: String,
    /// What went wrong.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// One change of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Puts a value under a key.
    Put(String, Vec<u8>),
    /// Removes a key; that it is absent is no error.
    Remove(String),
}

/// A durable map from keys to bytes. Keys are paths such as `history/argocd/web/00000007`.
///
/// A write that was answered survives a crash; of a batch either all is done or nothing.
#[async_trait]
pub trait Store: Send + Sync {
    /// Returns the value under a key.
    ///
    /// # Errors
    /// Where the store fails.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Returns the keys that begin with `prefix`, in order.
    ///
    /// # Errors
    /// Where the store fails.
    async fn keys(&self, prefix: &str) -> Result<Vec<String>, StoreError>;

    /// Carries out changes, all or none.
    ///
    /// # Errors
    /// Where the store fails.
    async fn write(&self, batch: Vec<Write>) -> Result<(), StoreError>;
}
