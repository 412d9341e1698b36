//! The values files of an application: where they are, and in which order they count.

use std::collections::BTreeSet;
use std::sync::Arc;

use gitops_core::glob::{Syntax, matches};
use gitops_core::{BuildEnvironment, SourceTrees};
use gitops_manifest::tree::join;
use gitops_manifest::{EntryKind, FileTree, TreeError};

/// So many folders are looked into for one pattern.
const MAX_FOLDERS: usize = 10_000;

/// Where the files of an application's settings are.
pub(crate) struct Files<'a> {
    /// The tree of the source.
    pub(crate) tree: &'a dyn FileTree,
    /// The folder of the application in it.
    pub(crate) path: &'a str,
    /// The trees of other sources.
    pub(crate) refs: &'a SourceTrees,
    pub(crate) environment: &'a BuildEnvironment<'a>,
}

/// A place that settings name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A path in the tree of the source with this `ref`, or of the source itself.
    Path(Option<String>, String),
    /// An address on the web.
    Url(String),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(None, path) | Self::Url(path) => f.write_str(path),
            Self::Path(Some(name), path) => write!(f, "${name}/{path}"),
        }
    }
}

impl<'a> Files<'a> {
    fn tree(&self, name: Option<&str>) -> &'a dyn FileTree {
        match name.and_then(|name| self.refs.get(name)) {
            Some(tree) => &**tree,
            None => self.tree,
        }
    }

    /// Finds out what a setting names, as Argo CD does: a path from the application's folder, from the root of the
    /// repository (`/…`) or of another source (`$ref/…`), or an address.
    pub(crate) fn place(&self, raw: &str) -> Result<Place, String> {
        let first = raw.split('/').next().unwrap_or_default();
        if let Some(name) = first.strip_prefix('$') {
            if self.refs.get(name).is_some() {
                let rest = self.environment.expand(&raw[first.len()..]);
                let path = join("", rest.trim_start_matches('/')).map_err(|e| e.to_string())?;
                return Ok(Place::Path(Some(name.to_owned()), path));
            }
            // Argo CD puts nothing in place of a name that it does not know, and then misses a file.
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if !name.is_empty() && name.chars().all(plain) && self.environment.get(name).is_none() {
                return Err(format!(
                    "{raw}: no source of the application has the ref {name:?}"
                ));
            }
        }
        let expanded = self.environment.expand(raw);
        if let Some((scheme, _)) = expanded.split_once("://") {
            return match scheme {
                "http" | "https" => Ok(Place::Url(expanded)),
                _ => Err(format!("{raw}: the URL scheme {scheme:?} is not allowed")),
            };
        }
        let path = match expanded.strip_prefix('/') {
            Some(rest) => join("", rest.trim_start_matches('/')),
            None => join(self.path, &expanded),
        };
        Ok(Place::Path(None, path.map_err(|error| error.to_string())?))
    }

    /// Lists the values files in the order in which they count: patterns are replaced by the files that they fit.
    pub(crate) fn list(&self, raw: &[String], ignore_missing: bool) -> Result<Vec<Place>, String> {
        let mut places = Vec::with_capacity(raw.len());
        for raw in raw {
            places.push((raw, self.place(raw)?));
        }
        let is_pattern = |place: &Place| match place {
            Place::Path(_, path) => path.contains(['*', '?', '[']),
            Place::Url(_) => false,
        };
        // A file that is named keeps the place that it is named at, whatever patterns fit it too.
        let named: BTreeSet<Place> = places
            .iter()
            .map(|(_, place)| place.clone())
            .filter(|place| !is_pattern(place))
            .collect();
        let mut listed = Vec::new();
        let mut seen = BTreeSet::new();
        for (raw, place) in places {
            let Place::Path(name, path) = &place else {
                listed.push(place);
                continue;
            };
            let tree = self.tree(name.as_deref());
            if is_pattern(&place) {
                let mut found = Vec::new();
                let segments: Vec<&str> = path.split('/').collect();
                let mut left = MAX_FOLDERS;
                expand(tree, "", &segments, &mut found, &mut left)
                    .map_err(|error| format!("values file glob {raw:?}: {error}"))?;
                if left == 0 {
                    return Err(format!(
                        "values file glob {raw:?} looks into more than {MAX_FOLDERS} folders"
                    ));
                }
                if found.is_empty() && !ignore_missing {
                    return Err(format!("values file glob {raw:?} matched no files"));
                }
                for path in found {
                    let place = Place::Path(name.clone(), path);
                    if !named.contains(&place) && seen.insert(place.clone()) {
                        listed.push(place);
                    }
                }
                continue;
            }
            match tree.kind(path).map_err(|error| error.to_string())? {
                None if ignore_missing => {}
                _ => listed.push(place),
            }
        }
        Ok(listed)
    }

    /// Reads a file of a tree.
    pub(crate) fn read(&self, name: Option<&str>, path: &str) -> Result<Arc<[u8]>, String> {
        self.tree(name).read(path).map_err(|error| match error {
            TreeError::NotFound { path } => format!("open {path}: no such file or directory"),
            other => other.to_string(),
        })
    }
}

/// Finds the files below a folder whose path fits a pattern: those of a folder before those of the folders in it,
/// each in order of name. `**` stands for any number of folders.
fn expand(
    tree: &dyn FileTree,
    folder: &str,
    segments: &[&str],
    found: &mut Vec<String>,
    left: &mut usize,
) -> Result<(), TreeError> {
    let Some((segment, rest)) = segments.split_first() else {
        return Ok(());
    };
    *left = left.saturating_sub(1);
    if *left == 0 {
        return Ok(());
    }
    let below = |name: &str| {
        if folder.is_empty() {
            name.to_owned()
        } else {
            format!("{folder}/{name}")
        }
    };
    if !segment.contains(['*', '?', '[', '\\']) {
        let path = below(segment);
        return match tree.kind(&path)? {
            Some(EntryKind::File) if rest.is_empty() => {
                found.push(path);
                Ok(())
            }
            Some(EntryKind::Folder) if !rest.is_empty() => expand(tree, &path, rest, found, left),
            _ => Ok(()),
        };
    }
    if *segment == "**" && !rest.is_empty() {
        expand(tree, folder, rest, found, left)?;
    }
    let entries = tree.list(folder)?;
    let fits = |name: &str| *segment == "**" || matches(segment, name, Syntax::Path);
    if rest.is_empty() {
        let files = entries.iter().filter(|entry| entry.kind == EntryKind::File);
        found.extend(files.filter(|e| fits(&e.name)).map(|e| below(&e.name)));
    }
    for entry in entries.iter().filter(|e| e.kind == EntryKind::Folder) {
        if *segment == "**" {
            expand(tree, &below(&entry.name), segments, found, left)?;
        } else if !rest.is_empty() && fits(&entry.name) {
            expand(tree, &below(&entry.name), rest, found, left)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gitops_core::RenderOptions;
    use gitops_core::application::ApplicationSource;
    use gitops_manifest::MemoryTree;

    use super::*;

    fn list(raw: &[&str], ignore_missing: bool) -> Result<Vec<String>, String> {
        let tree: MemoryTree = [
            "app/values.yaml",
            "app/envs/a.yaml",
            "app/envs/z.yaml",
            "app/envs/nested/c.yaml",
            "app/envs/nested/deep/d.yaml",
            "app/envs/web/x.yaml",
            "shared/base.yaml",
            "shared/note.txt",
        ]
        .into_iter()
        .map(|path| (path, ""))
        .collect();
        let other: MemoryTree = [("envs/prod.yaml", ""), ("envs/b.yaml", "")]
            .into_iter()
            .collect();
        let source = ApplicationSource::git("r", "app", "main");
        let options = RenderOptions::new("web", "shop", "1", source);
        let mut refs = SourceTrees::default();
        refs.insert("values", Arc::new(other));
        let files = Files {
            tree: &tree,
            path: "app",
            refs: &refs,
            environment: &BuildEnvironment::new(&options),
        };
        let raw: Vec<String> = raw.iter().map(|&raw| raw.to_owned()).collect();
        let places = files.list(&raw, ignore_missing)?;
        Ok(places.iter().map(ToString::to_string).collect())
    }

    /// The examples of Argo CD's documentation.
    #[test]
    fn files_are_found_and_ordered_as_argo_cd_does() {
        let all = |raw: &[&str]| list(raw, false).expect("files");
        assert_eq!(
            all(&["values.yaml", "../shared/base.yaml"]),
            ["app/values.yaml", "shared/base.yaml"]
        );
        assert_eq!(all(&["/shared/base.yaml"]), ["shared/base.yaml"]);
        assert_eq!(
            all(&["envs/*.yaml"]),
            ["app/envs/a.yaml", "app/envs/z.yaml"]
        );
        assert_eq!(
            all(&["envs/**/*.yaml"]),
            [
                "app/envs/a.yaml",
                "app/envs/z.yaml",
                "app/envs/nested/c.yaml",
                "app/envs/nested/deep/d.yaml",
                "app/envs/web/x.yaml"
            ]
        );
        assert_eq!(
            all(&["envs/$ARGOCD_APP_NAME/*.yaml"]),
            ["app/envs/web/x.yaml"]
        );
        assert_eq!(
            all(&["envs/[a-m].yaml", "/shared/?ase.yaml"]),
            ["app/envs/a.yaml", "shared/base.yaml"]
        );
        assert_eq!(
            all(&["$values/envs/*.yaml"]),
            ["$values/envs/b.yaml", "$values/envs/prod.yaml"]
        );
        // What is named keeps its place, what two patterns fit comes once.
        assert_eq!(
            all(&["envs/*.yaml", "envs/a.yaml"]),
            ["app/envs/z.yaml", "app/envs/a.yaml"]
        );
        assert_eq!(
            all(&["envs/a*.yaml", "envs/*.yaml"]),
            ["app/envs/a.yaml", "app/envs/z.yaml"]
        );
        assert_eq!(
            all(&["https://example.com/*.yaml"]),
            ["https://example.com/*.yaml"]
        );
        assert_eq!(all(&["/sha*/**"]), ["shared/base.yaml", "shared/note.txt"]);
    }

    #[test]
    fn what_is_not_there_is_said() {
        for (raw, want) in [
            (
                "no/*.yaml",
                "values file glob \"no/*.yaml\" matched no files",
            ),
            ("../../x.yaml", "leads out"),
            (
                "$other/x.yaml",
                "no source of the application has the ref \"other\"",
            ),
            ("$values/../x.yaml", "leads out"),
            ("ftp://example.com/x", "\"ftp\" is not allowed"),
        ] {
            let error = list(&[raw], false).expect_err(raw);
            assert!(error.contains(want), "{raw}: {error}");
        }
        assert_eq!(
            list(&["no/*.yaml", "no.yaml", "values.yaml"], true),
            Ok(vec!["app/values.yaml".to_owned()])
        );
        // Reading says that it is missing.
        assert_eq!(
            list(&["no.yaml"], false),
            Ok(vec!["app/no.yaml".to_owned()])
        );
    }
}
