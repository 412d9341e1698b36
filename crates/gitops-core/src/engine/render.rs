use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gitops_manifest::{EntryKind, FileTree, RecordingTree, Str};

use crate::application::ApplicationSource;
use crate::{ApplicationId, RenderError, RenderOptions, Rendered, Renderer};

/// The last render of each source of each application.
#[derive(Default)]
pub(super) struct RenderCache(Mutex<HashMap<(ApplicationId, usize), Cached>>);

struct Cached {
    source: ApplicationSource,
    namespace: Str,
    renderer: &'static str,
    rendered: Arc<Rendered>,
}

/// A render, and whether it was made anew.
pub(super) struct Render {
    pub(super) rendered: Arc<Rendered>,
    pub(super) renderer: &'static str,
    pub(super) reused: bool,
}

impl RenderCache {
    /// Renders a source of an application, unless everything that the last render of it read is the same.
    pub(super) fn render(
        &self,
        id: &ApplicationId,
        index: usize,
        renderers: &[Arc<dyn Renderer>],
        tree: &dyn FileTree,
        options: &RenderOptions,
    ) -> Result<Render, RenderError> {
        let key = (id.clone(), index);
        let mut source = options.source.clone();
        // Which revision was asked for does not matter: what it contains does.
        source.target_revision = String::new();
        let cached = {
            let cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            cache
                .get(&key)
                .filter(|cached| cached.source == source && cached.namespace == options.namespace)
                .map(|cached| (Arc::clone(&cached.rendered), cached.renderer))
        };
        if let Some((rendered, renderer)) = cached
            && rendered.reads.hold_on(tree)
        {
            return Ok(Render {
                rendered,
                renderer,
                reused: true,
            });
        }
        let (renderer, rendered) = render(renderers, tree, options)?;
        let rendered = Arc::new(rendered);
        let cached = Cached {
            source,
            namespace: options.namespace.clone(),
            renderer,
            rendered: Arc::clone(&rendered),
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, cached);
        Ok(Render {
            rendered,
            renderer,
            reused: false,
        })
    }
}

fn render(
    renderers: &[Arc<dyn Renderer>],
    tree: &dyn FileTree,
    options: &RenderOptions,
) -> Result<(&'static str, Rendered), RenderError> {
    let tree_error = |source| RenderError::Tree { source };
    let path = gitops_manifest::tree::join("", &options.source.path).map_err(tree_error)?;
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
    for renderer in renderers {
        if renderer
            .detects(&recording, &path, &options.source)
            .map_err(tree_error)?
        {
            let mut rendered = renderer.render(&recording, &path, options)?;
            let name = renderer.name();
            rendered.reads.extend(recording.into_reads());
            return Ok((name, rendered));
        }
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
