//! Where the sources of all applications point: asked once for all that share one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gitops_manifest::{FileTree, Str};

use super::Engine;
use super::refresh::Trouble;
use crate::application::{Application, ApplicationSource};
use crate::{ApplicationId, Revision, SourceError, SourceRef};

/// How many trees are kept open.
const OPEN_TREES: usize = 64;

/// News of a repository, as a webhook tells them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceNews {
    /// The addresses of the repository, as the sources of applications may write them: compared as they are.
    pub repos: Vec<Str>,
    /// The applications that come first, as they are known to be concerned.
    pub first: Vec<ApplicationId>,
}

impl SourceNews {
    /// Tells that a repository has changed.
    #[must_use]
    pub fn of(repo: impl Into<Str>) -> Self {
        Self {
            repos: vec![repo.into()],
            first: Vec::new(),
        }
    }
}

/// Where one source points.
#[derive(Default)]
struct Slot {
    /// The last answer. Whoever finds none asks, while others wait for it.
    answer: tokio::sync::Mutex<Option<Result<Revision, Trouble>>>,
    stale: AtomicBool,
}

/// Where sources point, as it was last asked.
#[derive(Default)]
pub(super) struct Resolutions {
    slots: Mutex<HashMap<SourceRef, Arc<Slot>>>,
    trees: Mutex<Vec<(Revision, Arc<dyn FileTree>)>>,
    /// Whether answers hold until somebody says otherwise. Else every question is asked anew.
    kept: AtomicBool,
}

/// Lets answers hold for as long as it lives.
pub(super) struct Keeping<'a>(&'a Resolutions);

impl Drop for Keeping<'_> {
    fn drop(&mut self) {
        self.0.kept.store(false, Ordering::Release);
    }
}

impl Resolutions {
    pub(super) fn keep(&self) -> Keeping<'_> {
        // What was said before may be long ago.
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in slots.values() {
            slot.stale.store(true, Ordering::Release);
        }
        drop(slots);
        self.kept.store(true, Ordering::Release);
        Keeping(self)
    }

    fn slot(&self, source: &SourceRef) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(source) {
            return Arc::clone(slot);
        }
        let slot = Arc::new(Slot::default());
        slots.insert(source.clone(), Arc::clone(&slot));
        slot
    }

    /// Has a source asked again the next time that somebody wants to know.
    pub(super) fn expire(&self, source: &SourceRef) {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(source) {
            slot.stale.store(true, Ordering::Release);
        }
    }

    /// Forgets a source that no application has any more.
    pub(super) fn forget(&self, source: &SourceRef) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.remove(source);
    }
}

/// Returns what an application's sources ask for.
pub(super) fn references(application: &Application) -> Vec<SourceRef> {
    let sources = application.spec.sources();
    sources.iter().map(reference).collect()
}

pub(super) fn reference(source: &ApplicationSource) -> SourceRef {
    SourceRef {
        repo: source.repo_url.as_str().into(),
        revision: source.target_revision.as_str().into(),
        chart: (!source.chart.is_empty()).then(|| source.chart.as_str().into()),
    }
}

impl Engine {
    /// Pins down what a source means: now, or when it was last asked where that still holds.
    pub(super) async fn resolve_one(&self, source: &SourceRef) -> Result<Revision, Trouble> {
        if !self.resolutions.kept.load(Ordering::Acquire) {
            return self.ask(source).await;
        }
        let slot = self.resolutions.slot(source);
        let mut answer = slot.answer.lock().await;
        if !slot.stale.swap(false, Ordering::AcqRel)
            && let Some(answer) = &*answer
        {
            return answer.clone();
        }
        let fresh = self.ask(source).await;
        *answer = Some(fresh.clone());
        fresh
    }

    async fn ask(&self, source: &SourceRef) -> Result<Revision, Trouble> {
        let revision = self.source.resolve(source).await;
        revision.map_err(|error| Trouble::comparison(&error))
    }

    /// Asks sources of one repository again. Tells which point elsewhere than before, and whether any failed.
    pub(super) async fn ask_again(&self, sources: Vec<SourceRef>) -> (Vec<SourceRef>, bool) {
        let mut changed = Vec::new();
        let mut failed = false;
        for source in sources {
            let slot = self.resolutions.slot(&source);
            let before = slot.answer.lock().await.clone();
            slot.stale.store(true, Ordering::Release);
            let after = self.resolve_one(&source).await;
            failed |= after.is_err();
            // Nobody has asked before: whoever does finds the answer.
            if before.is_some_and(|before| before != after) {
                changed.push(source);
            }
        }
        (changed, failed)
    }

    /// Opens the tree of a revision, or takes the one that is open.
    pub(super) async fn tree(&self, revision: &Revision) -> Result<Arc<dyn FileTree>, SourceError> {
        let trees = || {
            let trees = self.resolutions.trees.lock();
            trees.unwrap_or_else(PoisonError::into_inner)
        };
        {
            let mut trees = trees();
            if let Some(at) = trees.iter().position(|(open, _)| open == revision) {
                // The one that was used last is closed last.
                let open = trees.remove(at);
                let tree = Arc::clone(&open.1);
                trees.push(open);
                return Ok(tree);
            }
        }
        let tree = self.source.tree(revision).await?;
        let mut trees = trees();
        if !trees.iter().any(|(open, _)| open == revision) {
            if trees.len() >= OPEN_TREES {
                trees.remove(0);
            }
            trees.push((revision.clone(), Arc::clone(&tree)));
        }
        Ok(tree)
    }
}
