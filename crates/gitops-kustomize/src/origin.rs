//! Where a resource came from, as the annotations of `buildMetadata` tell it.

use std::fmt;

use crate::scalar;

/// Where a resource came from or who changed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) path: String,
    pub(crate) repo: String,
    pub(crate) git_ref: String,
    pub(crate) configured_in: String,
    pub(crate) configured_by: Option<ConfiguredBy>,
}

/// The generator or transformer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConfiguredBy {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

impl Origin {
    /// Returns the origin of what is at a path below.
    pub(crate) fn below(&self, path: &str) -> Self {
        Self {
            path: join(&self.path, path),
            ..self.clone()
        }
    }

    /// Returns the origin of what a built-in generator or transformer of a kustomization makes.
    pub(crate) fn built_in(&self, kustomization: &str, kind: &str) -> Self {
        Self {
            repo: self.repo.clone(),
            git_ref: self.git_ref.clone(),
            configured_in: join(&self.path, kustomization),
            configured_by: Some(ConfiguredBy {
                api_version: "builtin".to_owned(),
                kind: kind.to_owned(),
                ..ConfiguredBy::default()
            }),
            ..Self::default()
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut line = |indent: &str, key: &str, value: &str| {
            if !value.is_empty() {
                out.push(format!("{indent}{key}: {}", quoted(value)));
            }
        };
        line("", "path", &self.path);
        line("", "repo", &self.repo);
        line("", "ref", &self.git_ref);
        line("", "configuredIn", &self.configured_in);
        if let Some(by) = &self.configured_by {
            out.push("configuredBy:".to_owned());
            let mut line = |key: &str, value: &str| {
                if !value.is_empty() {
                    out.push(format!("  {key}: {}", quoted(value)));
                }
            };
            line("apiVersion", &by.api_version);
            line("kind", &by.kind);
            line("name", &by.name);
            line("namespace", &by.namespace);
        }
        out
    }

    /// Writes the origin as an item of a YAML list.
    pub(crate) fn to_list_item(&self) -> String {
        let mut out = String::new();
        for (i, line) in self.lines().iter().enumerate() {
            out.push_str(if i == 0 { "- " } else { "  " });
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}

/// Writes the origin as a YAML map.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.lines() {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

fn quoted(text: &str) -> String {
    let special = text.starts_with(|c: char| "-?:,[]{}#&*!|>'\"%@` ".contains(c))
        || text.contains(": ")
        || text.contains(" #")
        || text.ends_with([':', ' ']);
    if special {
        format!("'{}'", text.replace('\'', "''"))
    } else if scalar::reads_as_other_than_text(text) {
        format!("\"{text}\"")
    } else {
        text.to_owned()
    }
}

/// Joins and cleans a path as Go's `filepath.Join` does.
pub(crate) fn join(base: &str, path: &str) -> String {
    let absolute = if base.is_empty() {
        path.starts_with('/')
    } else {
        base.starts_with('/')
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if absolute => {}
                _ => parts.push(".."),
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) if base.is_empty() && path.is_empty() => String::new(),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}
