//! The syncs that succeeded, with the objects that they applied.
//!
//! The rendered objects of every entry are stored with it, so that a rollback needs no repository. They are
//! stored once per content: entries that applied the same objects share them.

use std::sync::Arc;

use gitops_manifest::{ContentId, Object, Str, Value};
use serde::{Deserialize, Serialize};

use crate::application::{ApplicationSource, InitiatedBy, RevisionHistory};
use crate::{ApplicationId, Store, StoreError, Timestamp, Write};

/// A sync that succeeded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HistoryEntry {
    /// Its number; grows by one with each entry.
    pub id: i64,
    /// The revisions, one per source.
    pub revisions: Vec<Str>,
    /// The sources.
    pub sources: Vec<ApplicationSource>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was done.
    pub deployed_at: Timestamp,
    /// Who asked for it.
    pub initiated_by: InitiatedBy,
    /// When the application was first healthy with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy_at: Option<Timestamp>,
    /// The entry that it brought back, for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_of: Option<i64>,
    /// How many objects were applied.
    pub objects: usize,
    /// Under which name the objects are stored.
    pub content: ContentId,
}

impl HistoryEntry {
    /// Returns the revision, those of several sources joined by commas.
    #[must_use]
    pub fn revision(&self) -> String {
        self.revisions.join(",")
    }

    /// Returns the entry as an application's status shows it.
    #[must_use]
    pub fn to_wire(&self) -> RevisionHistory {
        let single = self.sources.len() == 1;
        let revisions: Vec<String> = self.revisions.iter().map(ToString::to_string).collect();
        RevisionHistory {
            id: self.id,
            revision: if single {
                revisions.concat()
            } else {
                String::new()
            },
            source: self.sources.first().filter(|_| single).cloned(),
            sources: if single {
                Vec::new()
            } else {
                self.sources.clone()
            },
            revisions: if single { Vec::new() } else { revisions },
            deployed_at: Some(self.deployed_at.to_second()),
            deploy_started_at: Some(self.started_at.to_second()),
            initiated_by: self.initiated_by.clone(),
        }
    }
}

/// The history of applications, in a store.
#[derive(Clone)]
pub struct History(Arc<dyn Store>);

fn folder(application: &ApplicationId) -> String {
    format!("history/{}/{}/", application.namespace, application.name)
}

fn key(application: &ApplicationId, id: i64) -> String {
    format!("{}{id:012}", folder(application))
}

fn content_key(application: &ApplicationId, content: &ContentId) -> String {
    format!(
        "objects/{}/{}/{}",
        application.namespace, application.name, content.0
    )
}

fn corrupt(key: &str, error: serde_json::Error) -> StoreError {
    StoreError {
        attempt: format!("read {key}"),
        source: Box::new(error),
    }
}

impl History {
    /// Opens the history that a store holds.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// Returns the folders of the store that hold what belongs to an application.
    pub(crate) fn folders(application: &ApplicationId) -> [String; 2] {
        let ApplicationId { namespace, name } = application;
        [folder(application), format!("objects/{namespace}/{name}/")]
    }

    /// Returns the entries of an application, the latest last.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn entries(
        &self,
        application: &ApplicationId,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let mut entries = Vec::new();
        for key in self.0.keys(&folder(application)).await? {
            if let Some(bytes) = self.0.get(&key).await? {
                entries.push(serde_json::from_slice(&bytes).map_err(|error| corrupt(&key, error))?);
            }
        }
        Ok(entries)
    }

    /// Prepares objects for storing: the name of their content and what to write.
    #[must_use]
    pub fn pack(application: &ApplicationId, objects: &[Object]) -> (ContentId, Write) {
        let list = Value::Array(objects.iter().map(Object::to_value).collect());
        let bytes = list.to_json().into_bytes();
        let id = ContentId::of_file(&bytes);
        let key = content_key(application, &id);
        (id, Write::Put(key, bytes))
    }

    /// Returns the objects that were stored under a name.
    ///
    /// # Errors
    /// Where the store fails or does not have them.
    pub async fn objects(
        &self,
        application: &ApplicationId,
        content: &ContentId,
    ) -> Result<Vec<Object>, StoreError> {
        let key = content_key(application, content);
        let bytes = self.0.get(&key).await?.ok_or_else(|| StoreError {
            attempt: format!("read {key}"),
            source: "it is not there".into(),
        })?;
        serde_json::from_slice(&bytes).map_err(|error| corrupt(&key, error))
    }

    /// Works out what to write to add an entry with the objects, and to drop the oldest ones beyond `limit` together
    /// with the objects that no entry needs any more. The entry's number is its own or, where that is taken or passed,
    /// the next. Nothing is written yet:
    /// what else belongs to the end of a sync goes into the same batch.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn append(
        &self,
        application: &ApplicationId,
        mut entry: HistoryEntry,
        objects: &[Object],
        limit: usize,
    ) -> Result<(HistoryEntry, Vec<Write>), StoreError> {
        let mut entries = self.entries(application).await?;
        entry.id = entries
            .last()
            .map_or(entry.id, |last| entry.id.max(last.id + 1));
        let (content, put) = Self::pack(application, objects);
        entry.content = content;
        entry.objects = objects.len();
        let mut batch = vec![put];
        entries.push(entry.clone());
        if limit > 0 {
            let value = serde_json::to_vec(&entry).map_err(|error| corrupt("an entry", error))?;
            batch.push(Write::Put(key(application, entry.id), value));
        }
        let dropped = entries.len().saturating_sub(limit);
        let (old, kept) = entries.split_at(dropped);
        for old in old {
            batch.push(Write::Remove(key(application, old.id)));
            if !kept.iter().any(|kept| kept.content == old.content) {
                batch.push(Write::Remove(content_key(application, &old.content)));
            }
        }
        Ok((entry, batch))
    }

    /// Writes an entry that was changed.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn update(
        &self,
        application: &ApplicationId,
        entry: &HistoryEntry,
    ) -> Result<(), StoreError> {
        let value = serde_json::to_vec(entry).map_err(|error| corrupt("an entry", error))?;
        self.0
            .write(vec![Write::Put(key(application, entry.id), value)])
            .await
    }
}
