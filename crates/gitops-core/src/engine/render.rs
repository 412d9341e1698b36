use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use gitops_manifest::{EntryKind, FileTree, Reads, RecordingTree, Str};

use crate::{ApplicationId, RenderError, RenderOptions, Rendered, Renderer, SourceTrees};

/// The last render of each source of each application.
#[derive(Default)]
pub(super) struct RenderCache(Mutex<HashMap<(ApplicationId, usize), Cached>>);

struct Cached {
    /// What the render was asked for, without the trees.
    options: RenderOptions,
    renderer: &'static str,
    rendered: Arc<Rendered>,
    /// What was read of the trees of other sources.
    refs: BTreeMap<Str, Reads>,
}

impl Cached {
    /// Whether the same would come out now.
    fn holds(&self, tree: &dyn FileTree, options: &RenderOptions) -> bool {
        let RenderOptions {
            application,
            instance,
            project,
            namespace,
            ..
        } = &self.options;
        let basis = self.rendered.basis;
        let mut source = options.source.clone();
        // Which revision was asked for does not matter, unless its name is part of the result: what it contains does.
        let same_revision = self.options.revision == options.revision
            && self.options.source.target_revision == source.target_revision;
        source
            .target_revision
            .clone_from(&self.options.source.target_revision);
        self.options.source == source
            && *application == options.application
            && *instance == options.instance
            && *project == options.project
            && *namespace == options.namespace
            && (!basis.revision || same_revision)
            && (!basis.cluster
                || self.options.kube_version == options.kube_version
                    && self.options.api_versions == options.api_versions)
            && self.rendered.reads.hold_on(tree)
            && self.refs.iter().all(|(name, reads)| {
                let tree = options.refs.get(name);
                tree.is_some_and(|tree| reads.hold_on(&**tree))
            })
    }
}

/// A render, and whether it was made anew.
pub(super) struct Render {
    pub(super) rendered: Arc<Rendered>,
    pub(super) renderer: &'static str,
    pub(super) reused: bool,
}

impl RenderCache {
    /// Forgets the renders of an application.
    pub(super) fn forget(&self, id: &ApplicationId) {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cache.retain(|(of, _), _| of != id);
    }

    /// Returns the last render of a source of an application where everything that it rests on is the same.
    pub(super) fn reuse(
        &self,
        id: &ApplicationId,
        index: usize,
        tree: &dyn FileTree,
        options: &RenderOptions,
    ) -> Option<Render> {
        let key = (id.clone(), index);
        // Nobody waits while trees are asked.
        let cached = {
            let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            cache.remove(&key)?
        };
        if !cached.holds(tree, options) {
            return None;
        }
        let render = Render {
            rendered: Arc::clone(&cached.rendered),
            renderer: cached.renderer,
            reused: true,
        };
        self.keep(key, cached);
        Some(render)
    }

    /// Renders a source of an application.
    pub(super) fn render(
        &self,
        id: &ApplicationId,
        index: usize,
        renderers: &[Arc<dyn Renderer>],
        tree: &dyn FileTree,
        mut options: RenderOptions,
    ) -> Result<Render, RenderError> {
        let key = (id.clone(), index);
        // The files of other sources are noted as those of this one are.
        let mut recorded = Vec::new();
        let mut refs = SourceTrees::default();
        for (name, tree) in options.refs.iter() {
            let recording = Arc::new(RecordingTree::shared(Arc::clone(tree)));
            refs.insert(name.clone(), Arc::clone(&recording) as Arc<dyn FileTree>);
            recorded.push((name.clone(), recording));
        }
        options.refs = refs;
        let (renderer, rendered) = render(renderers, tree, &options)?;
        let rendered = Arc::new(rendered);
        options.refs = SourceTrees::default();
        let refs = recorded
            .into_iter()
            .map(|(name, recording)| (name, recording.reads()))
            .collect();
        let cached = Cached {
            options,
            renderer,
            rendered: Arc::clone(&rendered),
            refs,
        };
        self.keep(key, cached);
        Ok(Render {
            rendered,
            renderer,
            reused: false,
        })
    }

    fn keep(&self, key: (ApplicationId, usize), cached: Cached) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, cached);
    }
}

impl super::Engine {
    /// Renders a source of an application, unless everything that the last render of it rests on is the same.
    ///
    /// Within a tokio runtime that is done on a thread of its own, a few at a time: a large chart holds up nobody else. Without
    /// one, as in a simulation, it is done at once.
    pub(super) async fn render(
        &self,
        id: &ApplicationId,
        index: usize,
        tree: Arc<dyn FileTree>,
        options: RenderOptions,
    ) -> Result<Render, RenderError> {
        if let Some(render) = self.renders.reuse(id, index, &*tree, &options) {
            return Ok(render);
        }
        let (renders, renderers) = (Arc::clone(&self.renders), Arc::clone(&self.renderers));
        let id = id.clone();
        let work = move || renders.render(&id, index, &renderers, &*tree, options);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return work();
        };
        let _one_of_few = self.rendering.acquire().await;
        match runtime.spawn_blocking(work).await {
            Ok(outcome) => outcome,
            // A panic stays one; nobody but the runtime's end cancels it otherwise.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => std::future::pending().await,
            },
        }
    }
}

fn render(
    renderers: &[Arc<dyn Renderer>],
    tree: &dyn FileTree,
    options: &RenderOptions,
) -> Result<(&'static str, Rendered), RenderError> {
    let tree_error = |source| RenderError::Tree { source };
    let path = gitops_manifest::tree::join("", &options.source.path).map_err(tree_error)?;
    let explicit = options.source.explicit_types();
    if explicit.len() > 1 {
        return Err(RenderError::Unsupported {
            path,
            reason: format!(
                "the source has settings for {}; give those of one",
                explicit.join(" and ")
            ),
        });
    }
    let recording = RecordingTree::new(tree);
    match recording.kind(&path).map_err(tree_error)? {
        Some(EntryKind::Folder) => {}
        Some(EntryKind::File) => {
            return Err(RenderError::Unsupported {
                path,
                reason: "it is a file; an application's path is a folder".into(),
            });
        }
        None => {
            return Err(RenderError::NoSuchPath {
                nearest: nearest(tree, &path),
                path,
            });
        }
    }
    // What the source has settings for renders it, whatever is there.
    let explicit = explicit.first().filter(|name| **name != "Plugin");
    for renderer in renderers {
        let takes = match explicit {
            Some(name) => renderer.name() == *name,
            None => renderer
                .detects(&recording, &path, &options.source)
                .map_err(tree_error)?,
        };
        if takes {
            let mut rendered = renderer.render(&recording, &path, options)?;
            let name = renderer.name();
            rendered.reads.extend(recording.into_reads());
            return Ok((name, rendered));
        }
    }
    if let Some(name) = explicit {
        return Err(RenderError::Unsupported {
            path,
            reason: format!("the source is one for {name}, and the engine has no such renderer"),
        });
    }
    let names: Vec<&str> = renderers.iter().map(|renderer| renderer.name()).collect();
    Err(RenderError::Unsupported {
        path,
        reason: format!("looked for {}", names.join(", ")),
    })
}

/// Returns the folders whose paths come nearest to one that is not there.
fn nearest(tree: &dyn FileTree, path: &str) -> Vec<Str> {
    // The deepest folder of the path that is there tells where the path went wrong.
    let mut folder = path;
    while !matches!(tree.kind(folder), Ok(Some(EntryKind::Folder))) {
        if folder.is_empty() {
            return Vec::new();
        }
        folder = gitops_manifest::tree::parent(folder);
    }
    let rest = path[folder.len()..].trim_start_matches('/');
    let wanted = rest.split('/').next().unwrap_or_default();
    let mut names: Vec<(usize, Str)> = tree
        .list(folder)
        .unwrap_or_default()
        .into_iter()
        .filter(|entry| entry.kind == EntryKind::Folder)
        .map(|entry| {
            let full = if folder.is_empty() {
                entry.name.clone()
            } else {
                format!("{folder}/{}", entry.name).into()
            };
            (crate::nearness::distance(wanted, &entry.name), full)
        })
        .collect();
    names.sort();
    names.into_iter().take(3).map(|(_, name)| name).collect()
}
