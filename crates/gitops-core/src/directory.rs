//! A folder of plain manifests.

use gitops_manifest::tree::join;
use gitops_manifest::yaml::{Duplicates, ParseOptions};
use gitops_manifest::{EntryKind, FileTree, Object, TreeError};

use crate::application::{ApplicationSource, DirectorySource};
use crate::glob::{Syntax, matches};
use crate::{RenderError, RenderOptions, Rendered, Renderer};

/// How deep folders are read.
const DEPTH: usize = 32;

/// Renders a folder of plain manifests: all `.yaml`, `.yml` and `.json` files, in order of path.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectoryRenderer;

impl Renderer for DirectoryRenderer {
    fn name(&self) -> &'static str {
        "Directory"
    }

    fn detects(
        &self,
        tree: &dyn FileTree,
        path: &str,
        _: &ApplicationSource,
    ) -> Result<bool, TreeError> {
        // Whatever no other renderer takes.
        Ok(tree.kind(path)? == Some(EntryKind::Folder))
    }

    fn render(
        &self,
        tree: &dyn FileTree,
        path: &str,
        options: &RenderOptions,
    ) -> Result<Rendered, RenderError> {
        let settings = options.source.directory.clone().unwrap_or_default();
        let mut files = Vec::new();
        let tree_error = |source| RenderError::Tree { source };
        collect(tree, path, "", &settings, DEPTH, &mut files).map_err(tree_error)?;
        let mut objects = Vec::new();
        let mut warnings = Vec::new();
        let mut messages = Vec::new();
        for file in files {
            let full = join(path, &file).map_err(tree_error)?;
            let bytes = tree.read(&full).map_err(tree_error)?;
            match std::str::from_utf8(&bytes) {
                Ok(text) => read(&full, text, &mut objects, &mut messages),
                Err(_) => messages.push(format!("{full}: is not UTF-8")),
            }
        }
        if settings.jsonnet != Default::default() {
            warnings
                .push("spec.source.directory.jsonnet is not supported and does nothing".to_owned());
        }
        if !messages.is_empty() {
            return Err(RenderError::Invalid {
                renderer: "Directory".into(),
                path: path.to_owned(),
                messages,
            });
        }
        Ok(Rendered::new(objects, warnings))
    }
}

fn collect(
    tree: &dyn FileTree,
    root: &str,
    below: &str,
    settings: &DirectorySource,
    depth: usize,
    files: &mut Vec<String>,
) -> Result<(), TreeError> {
    for entry in tree.list(&join(root, below)?)? {
        let path = if below.is_empty() {
            entry.name.to_string()
        } else {
            format!("{below}/{}", entry.name)
        };
        match entry.kind {
            EntryKind::Folder if settings.recurse && depth > 0 => {
                collect(tree, root, &path, settings, depth - 1, files)?;
            }
            EntryKind::Folder => {}
            EntryKind::File => {
                let manifest = [".yaml", ".yml", ".json"]
                    .iter()
                    .any(|end| path.ends_with(end));
                let included =
                    settings.include.is_empty() || matches(&settings.include, &path, Syntax::Any);
                let excluded =
                    !settings.exclude.is_empty() && matches(&settings.exclude, &path, Syntax::Any);
                // Settings of the source are no manifests.
                let settings = crate::engine::is_override(&entry.name);
                if manifest && included && !excluded && !settings {
                    files.push(path);
                }
            }
        }
    }
    Ok(())
}

/// Reads the objects of a file; documents that are no objects at all are left aside, as Argo CD does.
fn read(file: &str, text: &str, objects: &mut Vec<Object>, messages: &mut Vec<String>) {
    let options = ParseOptions::default().duplicates(Duplicates::Error);
    let (found, diagnostics) = gitops_manifest::objects(file, text, &options);
    objects.extend(found);
    messages.extend(diagnostics.iter().map(ToString::to_string));
}
