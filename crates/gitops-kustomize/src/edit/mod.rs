//! Changes to a kustomization file that leave the rest of its text alone.
//!
//! `kustomize edit` reads a file, changes what it read and writes all of it anew. Here the text itself is changed: an
//! entry that is added, changed or removed touches its own lines, and comments, order and layout of all others stay.

mod fix;
mod lists;
mod revise;
mod text;
mod vars;

use gitops_manifest::{FileTree, Map, Str, Value};

use crate::kustomization::decode::Decoder;
use crate::kustomization::parse;
use crate::read;
use text::File;

pub use fix::Fix;
pub use lists::{PathField, matches_pattern};

/// Why a kustomization file could not be edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The text is no kustomization.
    #[error("reading the kustomization at line {line}: {message}")]
    Unreadable {
        /// The line, counted from 1; 0 where it is not known.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// What is to be removed is not there.
    #[error("{field} has no `{entry}`")]
    Absent {
        /// The field.
        field: &'static str,
        /// The entry.
        entry: String,
    },
    /// What is to be added is there already, with another value.
    #[error("{field} has `{entry}` already")]
    Present {
        /// The field.
        field: &'static str,
        /// The entry.
        entry: String,
    },
    /// What is asked for makes no sense.
    #[error("{message}")]
    Invalid {
        /// Why.
        message: String,
    },
}

/// The result of an edit.
pub type Result<T, E = EditError> = std::result::Result<T, E>;

/// A new image, in place of what is said of it: what is `*` stays as it is, and what is empty goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageEdit {
    /// The name to be matched.
    pub name: String,
    /// The name to be put in its place.
    pub new_name: String,
    /// The tag.
    pub new_tag: String,
    /// The digest; it goes before the tag.
    pub digest: String,
}

impl ImageEdit {
    /// Reads what `kustomize edit set image` takes: `name=new:tag`, `name=new@digest`, `name:tag`, `name@digest`.
    ///
    /// # Errors
    /// Where the text is none of these.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = || EditError::Invalid {
            message: format!(
                "`{text}` is none of name=new:tag, name=new@digest, name:tag and name@digest"
            ),
        };
        let (name, image) = match text.split_once('=') {
            Some((name, image)) => (Some(name), image),
            None => (None, text),
        };
        let (rest, digest) = image.split_once('@').unwrap_or((image, ""));
        let slash = rest.rfind('/').map_or(0, |i| i + 1);
        let (base, tag) = match rest[slash..].find(':') {
            Some(colon) => (&rest[..slash + colon], &rest[slash + colon + 1..]),
            None => (rest, ""),
        };
        if base.is_empty()
            || name == Some("")
            || (name.is_none() && tag.is_empty() && digest.is_empty())
        {
            return Err(invalid());
        }
        Ok(Self {
            name: name.unwrap_or(base).to_owned(),
            new_name: name.map_or("", |_| base).to_owned(),
            new_tag: tag.to_owned(),
            digest: digest.to_owned(),
        })
    }
}

/// A patch to be added or removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PatchEdit {
    /// The path of its file.
    pub path: String,
    /// Its text, where it has no file.
    pub patch: String,
    /// The parts of its target that are said: group, version, kind, name, namespace, annotationSelector,
    /// labelSelector.
    pub target: Vec<(String, String)>,
}

impl PatchEdit {
    /// Makes the patch of a file.
    #[must_use]
    pub fn of_file(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            ..Self::default()
        }
    }

    fn value(&self) -> Value {
        let mut map = Map::new();
        for (key, text) in [("path", &self.path), ("patch", &self.patch)] {
            if !text.is_empty() {
                map.insert(key, text.as_str());
            }
        }
        if !self.target.is_empty() {
            let entries = self.target.iter();
            let target = entries.map(|(k, v)| (k.as_str().into(), v.as_str().into()));
            map.insert("target", Map::from_entries(target.collect()));
        }
        Value::Object(map)
    }
}

/// How a label is added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LabelEdit {
    /// Whether it goes into selectors too.
    pub with_selectors: bool,
    /// Whether it goes into the templates of pods too; of a label without selectors.
    pub include_templates: bool,
    /// Whether it takes the place of one with another value.
    pub force: bool,
}

/// A ConfigMap or Secret to be generated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GeneratorEdit {
    /// The name.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// `create`, `merge` or `replace`.
    pub behavior: String,
    /// `key=value`.
    pub literals: Vec<String>,
    /// `path` or `key=path`.
    pub files: Vec<String>,
    /// Files of `key=value` lines.
    pub envs: Vec<String>,
    /// The type of a Secret.
    pub secret_type: String,
    /// Whether the name stays without a hash.
    pub disable_name_suffix_hash: bool,
}

/// The two generators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeneratorKind {
    /// `configMapGenerator`.
    ConfigMap,
    /// `secretGenerator`.
    Secret,
}

impl GeneratorKind {
    const fn field(self) -> &'static str {
        match self {
            Self::ConfigMap => "configMapGenerator",
            Self::Secret => "secretGenerator",
        }
    }
}

/// A kustomization file that is being edited.
///
/// ```
/// use gitops_kustomize::edit::{ImageEdit, KustomizationFile};
///
/// let mut file = KustomizationFile::parse("\
/// resources:
/// - ../base # shared
/// images:
/// - name: web # the shop
///   newTag: v1
/// ")?;
/// file.set_image(&ImageEdit::parse("web:v2")?)?;
/// file.set_image(&ImageEdit::parse("db=registry/db:16")?)?;
/// file.set_namespace("prod")?;
/// assert_eq!(file.as_str(), "\
/// resources:
/// - ../base # shared
/// images:
/// - name: web # the shop
///   newTag: v2
/// - name: db
///   newName: registry/db
///   newTag: \"16\"
/// namespace: prod
/// ");
/// # Ok::<(), gitops_kustomize::edit::EditError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KustomizationFile {
    text: String,
}

fn text_of<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

impl KustomizationFile {
    /// Takes the text of a kustomization. An empty text is the beginning of a new one.
    ///
    /// # Errors
    /// Where it is no kustomization.
    pub fn parse(text: &str) -> Result<Self> {
        let file = Self {
            text: text.to_owned(),
        };
        file.check()?;
        Ok(file)
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn check(&self) -> Result<()> {
        let settings = read::settings(&self.text).map_err(|error| EditError::Unreadable {
            line: error.line,
            message: error.message,
        })?;
        let mut decoder = Decoder::strict();
        parse::kustomization(&mut decoder, &settings);
        match decoder.faults.into_iter().next() {
            None => Ok(()),
            Some(fault) => Err(EditError::Unreadable {
                line: fault.at.line,
                message: format!("{}: {}", fault.field, fault.message),
            }),
        }
    }

    /// Makes one change, and takes it back where the result is no kustomization.
    fn change<T>(&mut self, edit: impl FnOnce(&mut File) -> Result<T>) -> Result<T> {
        let mut file = File::parse(&self.text)?;
        let out = edit(&mut file)?;
        let before = std::mem::replace(&mut self.text, file.write());
        if let Err(error) = self.check() {
            self.text = before;
            return Err(error);
        }
        Ok(out)
    }

    /// Sets `namespace`.
    ///
    /// # Errors
    /// Where the file cannot be edited.
    pub fn set_namespace(&mut self, namespace: &str) -> Result<()> {
        self.change(|file| file.set_text("namespace", namespace))
    }

    /// Sets `namePrefix`.
    ///
    /// # Errors
    /// Where the file cannot be edited.
    pub fn set_name_prefix(&mut self, prefix: &str) -> Result<()> {
        self.change(|file| file.set_text("namePrefix", prefix))
    }

    /// Sets `nameSuffix`.
    ///
    /// # Errors
    /// Where the file cannot be edited.
    pub fn set_name_suffix(&mut self, suffix: &str) -> Result<()> {
        self.change(|file| file.set_text("nameSuffix", suffix))
    }

    /// Sets the image of a name: changes its entry of `images` or adds one. As with `kustomize edit set image`, a new
    /// name, tag or digest that was there and is not said now goes; `*` stands for what is there.
    ///
    /// # Errors
    /// Where the file cannot be edited.
    pub fn set_image(&mut self, image: &ImageEdit) -> Result<()> {
        self.change(|file| {
            let list = file.list("images")?;
            let at = list.position(|value| text_of(value, "name") == image.name);
            let mut entry = match at {
                Some(i) => list.get(i).as_object().cloned().unwrap_or_default(),
                None => Map::new(),
            };
            entry.insert("name", image.name.as_str());
            for (key, text) in [
                ("newName", &image.new_name),
                ("newTag", &image.new_tag),
                ("digest", &image.digest),
            ] {
                match text.as_str() {
                    "*" => {}
                    "" => {
                        entry.remove(key);
                    }
                    text => {
                        entry.insert(key, text);
                    }
                }
            }
            list.put(at, Value::Object(entry));
            Ok(())
        })
    }

    /// Sets the replica count of a name: changes its entry of `replicas` or adds one.
    ///
    /// # Errors
    /// Where the file cannot be edited.
    pub fn set_replicas(&mut self, name: &str, count: i64) -> Result<()> {
        self.change(|file| {
            let list = file.list("replicas")?;
            let at = list.position(|value| text_of(value, "name") == name);
            let mut entry = Map::new();
            entry.insert("name", name);
            entry.insert("count", count);
            list.put(at, Value::Object(entry));
            Ok(())
        })
    }

    fn add_text(&mut self, field: &'static str, text: &str) -> Result<()> {
        self.change(|file| {
            let list = file.list(field)?;
            if list
                .position(|value| value.as_str() == Some(text))
                .is_none()
            {
                list.put(None, text.into());
            }
            Ok(())
        })
    }

    fn remove_entry(
        &mut self,
        field: &'static str,
        entry: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        self.change(|file| {
            let list = file.list(field)?;
            match list.position(is) {
                Some(i) => {
                    list.remove(i);
                    Ok(())
                }
                None => Err(EditError::Absent {
                    field,
                    entry: entry.to_owned(),
                }),
            }
        })
    }

    /// Adds a path to `resources`, where it is not there already.
    ///
    /// # Errors
    /// Where the file cannot be edited.
    pub fn add_resource(&mut self, path: &str) -> Result<()> {
        self.add_text("resources", path)
    }

    /// Removes a path from `resources`.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn remove_resource(&mut self, path: &str) -> Result<()> {
        self.remove_entry("resources", path, |value| value.as_str() == Some(path))
    }

    /// Adds a path to `components`, where it is not there already.
    ///
    /// # Errors
    /// Where the file cannot be edited.
    pub fn add_component(&mut self, path: &str) -> Result<()> {
        self.add_text("components", path)
    }

    /// Removes a path from `components`.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn remove_component(&mut self, path: &str) -> Result<()> {
        self.remove_entry("components", path, |value| value.as_str() == Some(path))
    }

    /// Adds a patch to `patches`, where it is not there already.
    ///
    /// # Errors
    /// Where the patch has neither a path nor a text, or the file cannot be edited.
    pub fn add_patch(&mut self, patch: &PatchEdit) -> Result<()> {
        if patch.path.is_empty() == patch.patch.is_empty() {
            return Err(EditError::Invalid {
                message: "a patch has either a path or a text".to_owned(),
            });
        }
        let entry = patch.value();
        self.change(|file| {
            let list = file.list("patches")?;
            if list.position(|value| *value == entry).is_none() {
                list.put(None, entry);
            }
            Ok(())
        })
    }

    /// Removes a patch from `patches`: the one with the same path or text and target.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn remove_patch(&mut self, patch: &PatchEdit) -> Result<()> {
        let entry = patch.value();
        let name = if patch.path.is_empty() {
            &patch.patch
        } else {
            &patch.path
        };
        self.remove_entry("patches", name, |value| {
            ["path", "patch", "target"]
                .iter()
                .all(|key| value.get(key) == entry.get(key))
        })
    }

    /// Adds a label: to `commonLabels`, which also go into selectors, or to `labels`, as the options say.
    ///
    /// # Errors
    /// Where there is one already, unless it is to be overwritten.
    pub fn add_label(&mut self, key: &str, value: &str, options: &LabelEdit) -> Result<()> {
        if options.with_selectors {
            return self.change(|file| add_pair(file, "commonLabels", key, value, options.force));
        }
        self.change(|file| {
            let list = file.list("labels")?;
            let is_on = |entry: &Value, field: &str| entry.get(field) == Some(&Value::from(true));
            let plain = |entry: &Value| {
                !is_on(entry, "includeSelectors")
                    && is_on(entry, "includeTemplates") == options.include_templates
                    && entry.get("fields").is_none()
            };
            let with_key = |entry: &Value| plain(entry) && entry.at(&["pairs", key]).is_some();
            let at = list.position(with_key).or_else(|| list.position(plain));
            let mut entry = match at {
                Some(i) => list.get(i).as_object().cloned().unwrap_or_default(),
                None => Map::new(),
            };
            let pairs = entry.entry_object("pairs");
            if pairs
                .get(key)
                .is_some_and(|old| !options.force && old.as_str() != Some(value))
            {
                return Err(EditError::Present {
                    field: "labels",
                    entry: key.to_owned(),
                });
            }
            pairs.insert(key, value);
            if options.include_templates {
                entry.insert("includeTemplates", true);
            }
            list.put(at, Value::Object(entry));
            Ok(())
        })
    }

    /// Sets a label wherever the file has it, else in `commonLabels`.
    ///
    /// # Errors
    /// Where the file cannot be edited.
    pub fn set_label(&mut self, key: &str, value: &str) -> Result<()> {
        self.change(|file| {
            let list = file.list("labels")?;
            let at = list.position(|entry| entry.at(&["pairs", key]).is_some());
            let Some(i) = at else {
                return add_pair(file, "commonLabels", key, value, true);
            };
            let mut entry = list.get(i).clone();
            if let Some(Value::Object(pairs)) = entry.at_mut(&["pairs"]) {
                pairs.insert(key, value);
            }
            list.put(at, entry);
            Ok(())
        })
    }

    /// Removes a label from `commonLabels` and `labels`.
    ///
    /// # Errors
    /// Where it is in neither.
    pub fn remove_label(&mut self, key: &str) -> Result<()> {
        self.change(|file| {
            let mut found = file.map("commonLabels")?.remove_key(key);
            let list = file.list("labels")?;
            while let Some(i) = list.position(|entry| entry.at(&["pairs", key]).is_some()) {
                found = true;
                let mut entry = list.get(i).clone();
                let mut left = 0;
                if let Some(Value::Object(pairs)) = entry.at_mut(&["pairs"]) {
                    pairs.remove(key);
                    left = pairs.len();
                }
                if left == 0 {
                    list.remove(i);
                } else {
                    list.put(Some(i), entry);
                }
            }
            if found {
                Ok(())
            } else {
                Err(EditError::Absent {
                    field: "labels",
                    entry: key.to_owned(),
                })
            }
        })
    }

    /// Adds an annotation to `commonAnnotations`.
    ///
    /// # Errors
    /// Where there is one with another value.
    pub fn add_annotation(&mut self, key: &str, value: &str) -> Result<()> {
        self.change(|file| add_pair(file, "commonAnnotations", key, value, false))
    }

    /// Sets an annotation of `commonAnnotations`.
    ///
    /// # Errors
    /// Where the file cannot be edited.
    pub fn set_annotation(&mut self, key: &str, value: &str) -> Result<()> {
        self.change(|file| add_pair(file, "commonAnnotations", key, value, true))
    }

    /// Removes an annotation from `commonAnnotations`.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn remove_annotation(&mut self, key: &str) -> Result<()> {
        self.change(|file| {
            if file.map("commonAnnotations")?.remove_key(key) {
                Ok(())
            } else {
                Err(EditError::Absent {
                    field: "commonAnnotations",
                    entry: key.to_owned(),
                })
            }
        })
    }

    /// Adds a generator, or adds its literals and files to the one that has the name.
    ///
    /// # Errors
    /// Where the name is missing, or the file cannot be edited.
    pub fn add_generator(&mut self, kind: GeneratorKind, new: &GeneratorEdit) -> Result<()> {
        if new.name.is_empty() {
            return Err(EditError::Invalid {
                message: "a generator needs a name".to_owned(),
            });
        }
        self.change(|file| {
            let list = file.list(kind.field())?;
            let at = list.position(|entry| {
                text_of(entry, "name") == new.name
                    && lists::same_namespace(text_of(entry, "namespace"), &new.namespace)
            });
            let mut entry = match at {
                Some(i) => list.get(i).as_object().cloned().unwrap_or_default(),
                None => Map::new(),
            };
            for (key, text) in [
                ("name", &new.name),
                ("namespace", &new.namespace),
                ("behavior", &new.behavior),
                ("type", &new.secret_type),
            ] {
                if !text.is_empty() {
                    entry.insert(key, text.as_str());
                }
            }
            for (key, more) in [
                ("literals", &new.literals),
                ("files", &new.files),
                ("envs", &new.envs),
            ] {
                let mut items: Vec<Value> = match entry.get(key) {
                    Some(Value::Array(items)) => items.to_vec(),
                    _ => Vec::new(),
                };
                lists::refuse_twice(&new.name, key, &items, more)?;
                let fresh = more.iter().map(|text| Value::from(text.as_str()));
                items.extend(fresh);
                if !items.is_empty() {
                    entry.insert(key, items);
                }
            }
            if new.disable_name_suffix_hash {
                let options = entry.entry_object("options");
                options.insert("disableNameSuffixHash", true);
            }
            list.put(at, Value::Object(entry));
            Ok(())
        })
    }

    /// Removes a generator.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn remove_generator(
        &mut self,
        kind: GeneratorKind,
        name: &str,
        namespace: &str,
    ) -> Result<()> {
        self.remove_entry(kind.field(), name, |entry| {
            text_of(entry, "name") == name
                && lists::same_namespace(text_of(entry, "namespace"), namespace)
        })
    }

    /// Brings deprecated fields into their present form, as `kustomize edit fix` does: `bases` into `resources`,
    /// `imageTags` into `images`, `patchesStrategicMerge` and `patchesJson6902` into `patches`, `commonLabels` into
    /// `labels`, `env` into `envs`, and adds `apiVersion` and `kind`.
    ///
    /// `is_file` tells whether an entry of `patchesStrategicMerge` is the path of a file; another is the patch itself.
    /// Returns what was done.
    ///
    /// # Errors
    /// Where a label is in `commonLabels` and `labels`, or the file cannot be edited.
    pub fn fix(&mut self, is_file: impl Fn(&str) -> bool) -> Result<Vec<Fix>> {
        self.change(|file| fix::fix(file, &is_file))
    }

    /// Turns `vars` into `replacements`, as `kustomize edit fix --vars` does, and returns the files that change with
    /// it: their paths in the tree and their new texts, in which `NAME_PLACEHOLDER` stands where `$(NAME)` stood.
    ///
    /// `folder` is the folder of this file in `tree`. Look at what comes out of it: replacements know fewer places
    /// than variables do, and a file that another kustomization uses too changes for both.
    ///
    /// # Errors
    /// Where a variable stands where no replacement can put a value, or the file cannot be edited.
    pub fn convert_vars(
        &mut self,
        tree: &dyn FileTree,
        folder: &str,
    ) -> Result<Vec<(String, String)>> {
        self.change(|file| vars::convert(file, tree, folder))
    }
}

fn add_pair(
    file: &mut File,
    field: &'static str,
    key: &str,
    value: &str,
    overwrite: bool,
) -> Result<()> {
    let map = file.map(field)?;
    match map.key(key) {
        Some(old) if old.as_str() == Some(value) => Ok(()),
        Some(_) if !overwrite => Err(EditError::Present {
            field,
            entry: key.to_owned(),
        }),
        _ => {
            map.put_key(&Str::from(key), value.into());
            Ok(())
        }
    }
}
