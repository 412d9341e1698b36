//! Edits of the lists of paths and of `buildMetadata`, and of generators that are there.

use gitops_manifest::{Map, Value};

use super::{EditError, GeneratorKind, KustomizationFile, Result, text_of};

/// A field that lists paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathField {
    /// `resources`.
    Resources,
    /// `components`.
    Components,
    /// `configurations`.
    Configurations,
    /// `generators`.
    Generators,
    /// `transformers`.
    Transformers,
    /// `validators`.
    Validators,
}

impl PathField {
    const fn name(self) -> &'static str {
        match self {
            Self::Resources => "resources",
            Self::Components => "components",
            Self::Configurations => "configurations",
            Self::Generators => "generators",
            Self::Transformers => "transformers",
            Self::Validators => "validators",
        }
    }
}

/// What `buildMetadata` may hold.
const BUILD_METADATA: [&str; 3] = [
    "originAnnotations",
    "transformerAnnotations",
    "managedByLabel",
];

fn check_build_metadata(options: &[&str]) -> Result<()> {
    for (i, option) in options.iter().enumerate() {
        if !BUILD_METADATA.contains(option) {
            return Err(EditError::Invalid {
                message: format!(
                    "`{option}` is no option of buildMetadata; there are {}",
                    BUILD_METADATA.join(", ")
                ),
            });
        }
        if options[..i].contains(option) {
            return Err(EditError::Invalid {
                message: format!("`{option}` is said twice"),
            });
        }
    }
    Ok(())
}

impl KustomizationFile {
    /// Adds a path to a list of paths, where it is not there already.
    ///
    /// # Errors
    /// Where the file cannot be edited.
    pub fn add_path(&mut self, field: PathField, path: &str) -> Result<()> {
        self.add_text(field.name(), path)
    }

    /// Removes the paths that a pattern matches from a list of paths, and returns them. In a pattern `*` stands for
    /// any characters but `/`, `?` for one, `[a-z]` for one of a set, as in the shell.
    ///
    /// # Errors
    /// Where the file cannot be edited.
    pub fn remove_paths(&mut self, field: PathField, pattern: &str) -> Result<Vec<String>> {
        self.change(|file| {
            let list = file.list(field.name())?;
            let mut removed = Vec::new();
            let fits = |value: &Value| {
                value
                    .as_str()
                    .is_some_and(|text| matches_pattern(pattern, text))
            };
            while let Some(i) = list.position(fits) {
                removed.extend(list.get(i).as_str().map(str::to_owned));
                list.remove(i);
            }
            Ok(removed)
        })
    }

    /// Adds options to `buildMetadata`.
    ///
    /// # Errors
    /// Where one is unknown or there already.
    pub fn add_build_metadata(&mut self, options: &[&str]) -> Result<()> {
        check_build_metadata(options)?;
        self.change(|file| {
            let list = file.list("buildMetadata")?;
            for option in options {
                if list
                    .position(|value| value.as_str() == Some(option))
                    .is_some()
                {
                    return Err(EditError::Present {
                        field: "buildMetadata",
                        entry: (*option).to_owned(),
                    });
                }
                list.put(None, (*option).into());
            }
            Ok(())
        })
    }

    /// Sets the options of `buildMetadata`: those and no others.
    ///
    /// # Errors
    /// Where one is unknown.
    pub fn set_build_metadata(&mut self, options: &[&str]) -> Result<()> {
        check_build_metadata(options)?;
        self.change(|file| {
            let list = file.list("buildMetadata")?;
            let other =
                |value: &Value| !options.iter().any(|option| value.as_str() == Some(option));
            while let Some(i) = list.position(other) {
                list.remove(i);
            }
            for option in options {
                if list
                    .position(|value| value.as_str() == Some(option))
                    .is_none()
                {
                    list.put(None, (*option).into());
                }
            }
            Ok(())
        })
    }

    /// Removes options from `buildMetadata`; one that is not there is none to remove.
    ///
    /// # Errors
    /// Where one is unknown.
    pub fn remove_build_metadata(&mut self, options: &[&str]) -> Result<()> {
        check_build_metadata(options)?;
        self.change(|file| {
            let list = file.list("buildMetadata")?;
            while let Some(i) =
                list.position(|value| options.iter().any(|option| value.as_str() == Some(option)))
            {
                list.remove(i);
            }
            Ok(())
        })
    }

    /// Changes literals of a generator that is there, and its namespace where a new one is given.
    ///
    /// # Errors
    /// Where there is no such generator, or it has no literal of a key.
    pub fn set_generator(
        &mut self,
        kind: GeneratorKind,
        name: &str,
        namespace: &str,
        literals: &[&str],
        new_namespace: &str,
    ) -> Result<()> {
        self.change(|file| {
            let list = file.list(kind.field())?;
            let at = list.position(|entry| {
                text_of(entry, "name") == name
                    && same_namespace(text_of(entry, "namespace"), namespace)
            });
            let Some(i) = at else {
                return Err(EditError::Absent {
                    field: kind.field(),
                    entry: name.to_owned(),
                });
            };
            let mut entry: Map = list.get(i).as_object().cloned().unwrap_or_default();
            for literal in literals {
                set_literal(&mut entry, literal)?;
            }
            if !new_namespace.is_empty() {
                entry.insert("namespace", new_namespace);
            }
            list.put(at, Value::Object(entry));
            Ok(())
        })
    }
}

fn set_literal(entry: &mut Map, literal: &str) -> Result<()> {
    let invalid = |message: String| EditError::Invalid { message };
    let Some((key, value)) = literal
        .split_once('=')
        .filter(|(_, value)| !value.contains('='))
    else {
        return Err(invalid(format!("`{literal}` is not of the form key=value")));
    };
    if let Some(Value::Array(items)) = entry.get_mut("literals") {
        for item in items.make_mut() {
            let own = item.as_str().and_then(|text| text.split_once('='));
            if own.is_some_and(|(own, _)| own == key) {
                *item = format!("{key}={value}").into();
                return Ok(());
            }
        }
    }
    Err(invalid(format!("the generator has no literal `{key}`")))
}

/// Refuses keys of literals or files that a generator has already.
pub(super) fn refuse_twice(
    generator: &str,
    field: &str,
    items: &[Value],
    more: &[String],
) -> Result<()> {
    // A file without a key is known by its name.
    let key = |text: &str| -> String {
        let name = match text.split_once('=') {
            Some((key, _)) => key,
            None if field == "files" => text.rsplit('/').next().unwrap_or(text),
            None => text,
        };
        name.to_owned()
    };
    if field == "envs" {
        return Ok(());
    }
    let mut known: Vec<String> = items.iter().filter_map(Value::as_str).map(key).collect();
    for text in more {
        let key = key(text);
        if known.contains(&key) {
            return Err(EditError::Invalid {
                message: format!("the generator `{generator}` has the key `{key}` already"),
            });
        }
        known.push(key);
    }
    Ok(())
}

/// Whether two namespaces are the same: none is `default`.
pub(super) fn same_namespace(a: &str, b: &str) -> bool {
    let full = |namespace: &str| {
        if namespace.is_empty() {
            "default"
        } else {
            namespace
        }
        .to_owned()
    };
    full(a) == full(b)
}

/// Whether a path fits a pattern of the shell: `*` stands for any characters but `/`, `?` for one, `[a-z]` for one of
/// a set.
#[must_use]
pub fn matches_pattern(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), path.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last star does not fit: the star, and the text behind what it took.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            None if t == path.len() => return true,
            None => None,
            Some(_) => path.get(t).and_then(|c| one(&pattern[p..], *c)),
        };
        match (step, star) {
            (Some(width), _) => {
                p += width;
                t += 1;
            }
            (None, Some((at, taken))) if path.get(taken).is_some_and(|c| *c != '/') => {
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
            (None, _) => return false,
        }
    }
}

/// Matches one character with the beginning of a pattern; returns how much of the pattern that took.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern[0] {
        '?' => (c != '/').then_some(1),
        '\\' if pattern.len() > 1 => (pattern[1] == c).then_some(2),
        '[' => {
            let end = pattern.iter().skip(2).position(|c| *c == ']')? + 2;
            let negated = matches!(pattern[1], '^' | '!');
            let set = &pattern[if negated { 2 } else { 1 }..end];
            let mut i = 0;
            let mut found = false;
            while i < set.len() {
                let range = set.get(i + 1) == Some(&'-') && i + 2 < set.len();
                let last = if range { set[i + 2] } else { set[i] };
                found |= (set[i]..=last).contains(&c);
                i += if range { 3 } else { 1 };
            }
            (found != negated && c != '/').then_some(end + 1)
        }
        own => (own == c).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::matches_pattern;

    #[test]
    fn patterns_are_those_of_the_shell() {
        for (pattern, path, fits) in [
            ("a.yaml", "a.yaml", true),
            ("*.yaml", "a.yaml", true),
            ("*.yaml", "b/a.yaml", false),
            ("*/*.yaml", "b/a.yaml", true),
            ("a?[b-d]", "axc", true),
            ("a?[^b-d]", "axc", false),
            ("*a*b", "xxaxxab", true),
            ("*a*b", "xxaxxa", false),
            ("", "", true),
            ("\\*", "*", true),
            ("[", "[", false),
        ] {
            assert_eq!(matches_pattern(pattern, path), fits, "{pattern} {path}");
        }
    }
}
