//! The syncs that succeeded, with the objects that they applied.
//!
//! The rendered objects of every entry are stored with it, so that a rollback needs no repository. They are
//! stored once per content: entries that applied the same objects share them.

use std::sync::Arc;

use gitops_manifest::{ContentId, Object, Str, Value};
use serde::{Deserialize, Serialize};

use crate::application::{
    ApplicationSource, InitiatedBy, Operation, OperationPhase, RevisionHistory,
};
use crate::comparison::shown_revisions;
use crate::sync::{SyncSettings, TaskResult};
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
    /// The versions of charts among them, as people are told of the revisions; empty where that is the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Str>,
    /// The sources.
    pub sources: Vec<ApplicationSource>,
    /// Whether the application had a list of sources, be there one in it or more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub several_sources: bool,
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
    /// Returns the revision for showing, those of several sources joined by commas.
    #[must_use]
    pub fn revision(&self) -> String {
        self.shown_revisions().join(",")
    }

    /// Returns the revisions as people are told of them: the versions of charts, of everything else the ids.
    #[must_use]
    pub fn shown_revisions(&self) -> &[Str] {
        shown_revisions(&self.revisions, &self.versions)
    }

    /// Returns the entry as an application's status shows it.
    #[must_use]
    pub fn to_wire(&self) -> RevisionHistory {
        let single = self.sources.len() == 1 && !self.several_sources;
        let shown = self.shown_revisions();
        let revisions: Vec<String> = shown.iter().map(ToString::to_string).collect();
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

/// An operation that came to its end, whether it succeeded or not: who asked for what, with which settings, and what became
/// of each object. The objects that it applied are stored with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Execution {
    /// Its number; grows by one with each operation.
    pub id: i64,
    /// What was asked for, and by whom.
    pub operation: Operation,
    /// The revisions, one per source.
    pub revisions: Vec<Str>,
    /// The versions of charts among them, as people are told of the revisions; empty where that is the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Str>,
    /// The sources.
    pub sources: Vec<ApplicationSource>,
    /// The settings of the sync.
    pub settings: SyncSettings,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How it ended.
    pub phase: OperationPhase,
    /// What there is to say of it.
    pub message: String,
    /// How often it was tried again.
    pub retry_count: i64,
    /// The history entry that it brought back, for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_of: Option<i64>,
    /// What became of each object in each phase.
    pub results: Vec<TaskResult>,
    /// How many objects were desired.
    pub objects: usize,
    /// Under which name they are stored.
    pub content: ContentId,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many syncs that succeeded.
    pub history: usize,
    /// How many operations, whatever became of them.
    pub executions: usize,
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

fn execution_folder(application: &ApplicationId) -> String {
    format!("executions/{}/{}/", application.namespace, application.name)
}

fn execution_key(application: &ApplicationId, id: i64) -> String {
    format!("{}{id:012}", execution_folder(application))
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
    pub(crate) fn folders(application: &ApplicationId) -> [String; 3] {
        let ApplicationId { namespace, name } = application;
        [
            folder(application),
            execution_folder(application),
            format!("objects/{namespace}/{name}/"),
        ]
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

    /// Returns the operations of an application that came to their end, the latest last.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn executions(
        &self,
        application: &ApplicationId,
    ) -> Result<Vec<Execution>, StoreError> {
        let mut executions = Vec::new();
        for key in self.0.keys(&execution_folder(application)).await? {
            if let Some(bytes) = self.0.get(&key).await? {
                executions
                    .push(serde_json::from_slice(&bytes).map_err(|error| corrupt(&key, error))?);
            }
        }
        Ok(executions)
    }

    /// Works out what to write at the end of an operation: its record, an entry where it `deployed` its objects, and the
    /// removal of what lies beyond the limits, together with the objects that nothing needs any more. `held` are the objects
    /// of a rollback that is in force; `next` is the number of the entry, unless that is taken or passed. Nothing is written yet: what else belongs to the end of a
    /// sync goes into the same batch.
    ///
    /// # Errors
    /// Where the store fails.
    #[allow(clippy::too_many_arguments, reason = "the parts of one record")]
    pub async fn conclude(
        &self,
        application: &ApplicationId,
        mut execution: Execution,
        deployed: bool,
        objects: &[Object],
        held: Option<&ContentId>,
        limits: Limits,
        next: i64,
    ) -> Result<(Option<HistoryEntry>, Vec<Write>), StoreError> {
        let mut executions = self.executions(application).await?;
        let mut entries = self.entries(application).await?;
        let (content, put) = Self::pack(application, objects);
        execution.id = executions.last().map_or(0, |last| last.id + 1);
        execution.objects = objects.len();
        execution.content = content.clone();
        let mut batch = Vec::new();
        let entry = deployed.then(|| HistoryEntry {
            id: entries.last().map_or(next, |last| next.max(last.id + 1)),
            revisions: execution.revisions.clone(),
            versions: execution.versions.clone(),
            sources: execution.sources.clone(),
            several_sources: execution.settings.several_sources,
            started_at: execution.started_at,
            deployed_at: execution.finished_at,
            initiated_by: execution.operation.initiated_by.clone(),
            healthy_at: None,
            rollback_of: execution.rollback_of,
            objects: objects.len(),
            content: content.clone(),
        });
        if let Some(entry) = &entry {
            entries.push(entry.clone());
            if limits.history > 0 {
                let value = serde_json::to_vec(entry).map_err(|e| corrupt("an entry", e))?;
                batch.push(Write::Put(key(application, entry.id), value));
            }
        }
        if limits.executions > 0 {
            let value = serde_json::to_vec(&execution).map_err(|e| corrupt("an execution", e))?;
            batch.push(Write::Put(execution_key(application, execution.id), value));
        }
        executions.push(execution);
        let old_entries = entries.len().saturating_sub(limits.history);
        let old_executions = executions.len().saturating_sub(limits.executions);
        for old in &entries[..old_entries] {
            batch.push(Write::Remove(key(application, old.id)));
        }
        for old in &executions[..old_executions] {
            batch.push(Write::Remove(execution_key(application, old.id)));
        }
        // The objects were stored when the operation began; they go when nothing speaks of them any more.
        let needed: std::collections::BTreeSet<&str> = entries[old_entries..]
            .iter()
            .map(|entry| &entry.content)
            .chain(executions[old_executions..].iter().map(|e| &e.content))
            .chain(held)
            .map(|content| &*content.0)
            .collect();
        if needed.contains(&*content.0) {
            batch.push(put);
        }
        let mut dropped: Vec<&ContentId> = entries[..old_entries]
            .iter()
            .map(|entry| &entry.content)
            .chain(executions[..old_executions].iter().map(|e| &e.content))
            .chain([&content])
            .filter(|content| !needed.contains(&*content.0))
            .collect();
        dropped.sort_by(|a, b| a.0.cmp(&b.0));
        dropped.dedup();
        for content in dropped {
            batch.push(Write::Remove(content_key(application, content)));
        }
        Ok((entry, batch))
    }

    /// Works out what to remove so that nothing of an application is left.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn forget(&self, application: &ApplicationId) -> Result<Vec<Write>, StoreError> {
        let mut batch = Vec::new();
        for folder in Self::folders(application) {
            let keys = self.0.keys(&folder).await?;
            batch.extend(keys.into_iter().map(Write::Remove));
        }
        Ok(batch)
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
