use gitops_manifest::{ContentId, Str};
use serde::{Deserialize, Serialize};

use crate::application::ApplicationSource;
use crate::{ApplicationId, Timestamp};

/// A rollback that is in force: until the source points at something newer, the objects of an earlier sync are
/// what is desired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// The revisions that were rolled back from. Others end the hold.
    pub from: Vec<Str>,
    /// How these are shown; empty where that is the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_versions: Vec<Str>,
    /// The history entry that was brought back.
    pub entry: i64,
    /// Its revisions.
    pub revisions: Vec<Str>,
    /// How these are shown; empty where that is the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Str>,
    /// Its sources.
    pub sources: Vec<ApplicationSource>,
    /// Its objects.
    pub content: ContentId,
    /// Since when.
    pub since: Timestamp,
}

impl Hold {
    pub(super) fn key(application: &ApplicationId) -> String {
        format!("holds/{}/{}", application.namespace, application.name)
    }
}
