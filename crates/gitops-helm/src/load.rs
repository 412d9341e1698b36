//! Charts: a folder or an archive read into files, values, templates and subcharts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use gitops_manifest::{EntryKind, FileTree, Map, Value, tree};

use crate::archive::{self, MAX_FILE};
use crate::compile::CompiledCharts;
use crate::data::FileData;
use crate::dependencies::Lock;
use crate::ignore::IgnoreRules;
use crate::metadata::Metadata;
use crate::schema::CompiledSchema;
use crate::{Error, HelmVersion, yaml};

/// Charts within charts end here.
const MAX_DEPTH: usize = 32;

/// A chart, read and checked: immutable, cheap to clone, and good for any number of renders.
///
/// The templates are parsed at the first render and kept with the chart.
///
/// ```
/// use gitops_helm::Chart;
/// use gitops_manifest::MemoryTree;
///
/// let tree = MemoryTree::from_iter([
///     ("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.2.3\n"),
///     ("web/values.yaml", "replicas: 2\n"),
///     ("web/templates/web.yaml", "kind: Deployment\n"),
/// ]);
/// let chart = Chart::load(&tree, "web")?;
/// assert_eq!(chart.metadata().name, "web");
/// # Ok::<(), gitops_helm::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Chart(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    metadata: Metadata,
    values: Option<Map>,
    /// The values of all documents of `values.yaml`, where there are several.
    merged_values: Option<Result<Map, String>>,
    schema: Option<FileData>,
    templates: Vec<ChartFile>,
    files: Vec<ChartFile>,
    charts: Vec<Chart>,
    lock: Option<Lock>,
    warnings: Vec<String>,
    compiled: CompiledCharts,
    compiled_schema: CompiledSchema,
}

/// A file of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartFile {
    /// The path within the chart.
    pub name: String,
    /// The content, without a byte order mark.
    pub data: FileData,
}

impl Chart {
    /// Reads the chart in the folder at `path` of a tree, or the archive there.
    ///
    /// A `.helmignore` of a folder is obeyed; one within an archive is not, as in Helm.
    ///
    /// # Errors
    /// Where the tree cannot be read or does not hold a proper chart.
    pub fn load(tree: &dyn FileTree, path: &str) -> Result<Self, Error> {
        if tree.kind(path)? == Some(EntryKind::File) {
            return Self::from_archive(&tree.read(path)?);
        }
        let mut files = Vec::new();
        let ignore_file = tree::join(path, ".helmignore")?;
        let rules = if tree.kind(&ignore_file)? == Some(EntryKind::File) {
            IgnoreRules::parse(&text(&tree.read(&ignore_file)?))?
        } else {
            IgnoreRules::default()
        };
        collect(tree, path, "", &rules, 0, &mut files)?;
        Self::assemble(files, 0)
    }

    /// Reads a packed chart (`.tgz`).
    ///
    /// # Errors
    /// Where the bytes are no archive, or it does not hold a proper chart.
    pub fn from_archive(bytes: &[u8]) -> Result<Self, Error> {
        Self::assemble(archive::unpack(bytes)?, 0)
    }

    /// Makes a chart of its files, whose names are relative to the chart.
    ///
    /// # Errors
    /// Where the files are no proper chart.
    pub fn from_files(files: Vec<ChartFile>) -> Result<Self, Error> {
        Self::assemble(files, 0)
    }

    fn assemble(files: Vec<ChartFile>, depth: usize) -> Result<Self, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep { limit: MAX_DEPTH });
        }
        let mut metadata = None;
        for file in &files {
            if file.name == "Chart.yaml" {
                let metadata: &mut Metadata = metadata.get_or_insert_default();
                read(file, |document| metadata.read(document))?;
                if metadata.api_version.is_empty() {
                    "v1".clone_into(&mut metadata.api_version);
                }
            }
        }
        let mut inner = Inner {
            metadata: Metadata::default(),
            values: None,
            merged_values: None,
            schema: None,
            templates: Vec::new(),
            files: Vec::new(),
            charts: Vec::new(),
            lock: None,
            warnings: Vec::new(),
            compiled: CompiledCharts::default(),
            compiled_schema: CompiledSchema::default(),
        };
        let mut packed: BTreeMap<String, Vec<ChartFile>> = BTreeMap::new();
        for file in files {
            inner.sort_in(file, &mut metadata, &mut packed)?;
        }
        inner.metadata = metadata.ok_or(Error::NoChartYaml)?;
        inner.metadata.validate()?;
        for (name, files) in packed {
            if name.starts_with(['_', '.']) {
                continue;
            }
            let chart =
                Self::subchart(&name, files, depth + 1).map_err(|source| Error::Subchart {
                    name: name.clone(),
                    chart: inner.metadata.name.clone(),
                    source: Box::new(source),
                })?;
            inner.charts.push(chart);
        }
        Ok(Self(Arc::new(inner)))
    }

    fn subchart(name: &str, files: Vec<ChartFile>, depth: usize) -> Result<Self, Error> {
        if extension(name) == ".tgz" {
            let file = &files[0];
            if file.name != name {
                return Err(Error::Archive {
                    message: format!("expected {name}, got {}", file.name),
                });
            }
            return Self::assemble(archive::unpack(&file.data)?, depth);
        }
        let files = files
            .into_iter()
            .filter_map(|file| {
                let (_, rest) = file.name.split_once('/')?;
                Some(ChartFile {
                    name: rest.to_owned(),
                    data: file.data,
                })
            })
            .collect();
        Self::assemble(files, depth)
    }

    /// Returns the content of `Chart.yaml`.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// Returns the default values of `values.yaml`.
    #[must_use]
    pub fn values(&self) -> Option<&Map> {
        self.0.values.as_ref()
    }

    /// Returns the default values as a version of Helm reads them.
    pub(crate) fn values_for(&self, helm: HelmVersion) -> Result<Option<&Map>, Error> {
        match (helm, &self.0.merged_values) {
            (HelmVersion::V4, Some(merged)) => match merged {
                Ok(values) => Ok(Some(values)),
                Err(reason) => Err(Error::ChartFile {
                    file: "values.yaml".to_owned(),
                    reason: reason.clone(),
                }),
            },
            _ => Ok(self.0.values.as_ref()),
        }
    }

    /// Returns the JSON schema of the values.
    #[must_use]
    pub fn schema(&self) -> Option<&[u8]> {
        self.0.schema.as_deref()
    }

    /// Returns the files in `templates/`.
    #[must_use]
    pub fn templates(&self) -> &[ChartFile] {
        &self.0.templates
    }

    /// Returns the files that are neither templates nor read by Helm itself: `.Files`, and CRDs.
    #[must_use]
    pub fn files(&self) -> &[ChartFile] {
        &self.0.files
    }

    /// Returns the charts in `charts/`, enabled or not, in order of their folders.
    #[must_use]
    pub fn charts(&self) -> &[Self] {
        &self.0.charts
    }

    /// Returns the lock of the chart's dependencies, where there is one.
    #[must_use]
    pub fn lock(&self) -> Option<&Lock> {
        self.0.lock.as_ref()
    }

    /// Returns the chart with more charts in its `charts/`, as `helm dependency build` puts them there.
    #[must_use]
    pub fn with_charts(&self, charts: impl IntoIterator<Item = Self>) -> Self {
        let own = &self.0;
        let mut all = own.charts.clone();
        all.extend(charts);
        Self(Arc::new(Inner {
            metadata: own.metadata.clone(),
            values: own.values.clone(),
            merged_values: own.merged_values.clone(),
            schema: own.schema.clone(),
            templates: own.templates.clone(),
            files: own.files.clone(),
            charts: all,
            lock: own.lock.clone(),
            warnings: own.warnings.clone(),
            compiled: CompiledCharts::default(),
            compiled_schema: CompiledSchema::default(),
        }))
    }

    /// Returns what is odd about the chart's files and does no harm.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.0.warnings
    }

    pub(crate) fn compiled_schema(&self) -> &CompiledSchema {
        &self.0.compiled_schema
    }

    pub(crate) fn compiled(&self) -> &CompiledCharts {
        &self.0.compiled
    }
}

impl Inner {
    /// Puts a file where it belongs.
    fn sort_in(
        &mut self,
        file: ChartFile,
        metadata: &mut Option<Metadata>,
        packed: &mut BTreeMap<String, Vec<ChartFile>>,
    ) -> Result<(), Error> {
        match file.name.as_str() {
            "Chart.yaml" => {}
            // A render does not look at it: the charts in place decide.
            "Chart.lock" => self.lock = Some(read(&file, Lock::read)?),
            "values.yaml" => {
                self.values = Some(read(&file, values_map)?);
                if yaml::is_stream(&file.data) {
                    self.merged_values = Some(yaml::read_stream(&file.data));
                }
            }
            "values.schema.json" => self.schema = Some(file.data),
            "requirements.yaml" => {
                let metadata = metadata.get_or_insert_default();
                if metadata.api_version != "v1" {
                    self.warnings.push(
                        "Warning: Dependencies are handled in Chart.yaml since apiVersion \"v2\". \
                         We recommend migrating dependencies to Chart.yaml."
                            .to_owned(),
                    );
                }
                read(&file, |document| metadata.read(document))?;
                if metadata.api_version == "v1" {
                    self.files.push(file);
                }
            }
            "requirements.lock" => {
                self.lock = Some(read(&file, Lock::read)?);
                if metadata.get_or_insert_default().api_version == "v1" {
                    self.files.push(file);
                } else {
                    self.warnings.push(
                        "Warning: Dependency locking is handled in Chart.lock since apiVersion \
                         \"v2\". We recommend migrating to Chart.lock."
                            .to_owned(),
                    );
                }
            }
            name if name.starts_with("templates/") => self.templates.push(file),
            name if name.starts_with("charts/") && extension(name) != ".prov" => {
                let name = name["charts/".len()..].to_owned();
                let chart = name.split('/').next().unwrap_or(&name).to_owned();
                let data = file.data;
                packed
                    .entry(chart)
                    .or_default()
                    .push(ChartFile { name, data });
            }
            _ => self.files.push(file),
        }
        Ok(())
    }
}

/// Walks a folder in order of name and keeps the files that are not ignored.
fn collect(
    tree: &dyn FileTree,
    root: &str,
    folder: &str,
    rules: &IgnoreRules,
    depth: usize,
    files: &mut Vec<ChartFile>,
) -> Result<(), Error> {
    // A tree that follows links could turn in a circle.
    if depth > 4 * MAX_DEPTH {
        return Err(Error::TooDeep {
            limit: 4 * MAX_DEPTH,
        });
    }
    for entry in tree.list(&tree::join(root, folder)?)? {
        let name = if folder.is_empty() {
            entry.name.to_string()
        } else {
            format!("{folder}/{}", entry.name)
        };
        let is_folder = entry.kind == EntryKind::Folder;
        if rules.ignores(&name, is_folder) {
            continue;
        }
        if is_folder {
            collect(tree, root, &name, rules, depth + 1, files)?;
            continue;
        }
        let data = tree.read(&tree::join(root, &name)?)?;
        if data.len() as u64 > MAX_FILE {
            return Err(Error::Archive {
                message: format!(
                    "chart file {:?} is larger than the maximum file size {MAX_FILE}",
                    entry.name.as_str()
                ),
            });
        }
        files.push(ChartFile::new(name, data));
    }
    Ok(())
}

/// Reads a file of the chart itself.
fn read<T>(file: &ChartFile, decode: impl FnOnce(&Value) -> Result<T, String>) -> Result<T, Error> {
    let failed = |reason: String| Error::ChartFile {
        file: file.name.clone(),
        reason,
    };
    let document = yaml::read(&file.data).map_err(failed)?;
    decode(&document).map_err(failed)
}

/// Takes a document for values.
pub(crate) fn values_map(document: &Value) -> Result<Map, String> {
    match document {
        Value::Null => Ok(Map::new()),
        Value::Object(map) => Ok(map.clone()),
        other => Err(format!(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go value \
             of type map[string]interface {{}}",
            crate::decode::go_kind(other)
        )),
    }
}

/// Reads bytes as text, with U+FFFD in place of what is not UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    // Valid text is checked many times faster than it is searched for what is wrong with it.
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// Returns the extension of the last part of a path, with its dot.
pub(crate) fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rfind('.').map_or("", |dot| &name[dot..])
}
