//! Webhooks of Git hosts: what was pushed, and which applications it concerns.
//!
//! Only that something has changed is taken from a webhook, never what: the repository is asked.

mod affected;
mod payload;
mod signature;

use gitops::ApplicationId;
use gitops::application::Application;

pub use affected::{changes_concern, same_repository};
pub use payload::{Push, WebhookError, read};
pub use signature::WebhookSecrets;

/// The largest body that is read, unless settings say otherwise; as in Argo CD.
pub const MAX_BODY: usize = 50 * 1024 * 1024;

/// Returns the applications that a push concerns, with the addresses under which they know the repository.
#[must_use]
pub fn concerned<'a>(
    push: &Push,
    applications: impl IntoIterator<Item = (&'a ApplicationId, &'a Application)>,
) -> (Vec<ApplicationId>, Vec<String>) {
    let mut ids = Vec::new();
    let mut repos: Vec<String> = Vec::new();
    for (id, application) in applications {
        let mut concerned = false;
        for source in application.spec.sources() {
            let here = push
                .repos
                .iter()
                .any(|url| same_repository(url, &source.repo_url))
                && push.moves(&source.target_revision)
                && changes_concern(application, &source, &push.files);
            if here {
                concerned = true;
                if !repos.contains(&source.repo_url) {
                    repos.push(source.repo_url);
                }
            }
        }
        if concerned {
            ids.push(id.clone());
        }
    }
    (ids, repos)
}
