//! The values that a user gives a chart.

use gitops_manifest::Map;

use crate::node::{self, NodeMap};
use crate::set::{Reading, assign};
use crate::{Error, HelmVersion, load, yaml};

/// What an error calls the flag that Helm 4 gives a whole object.
pub(crate) const SET_JSON_OBJECT: &str = "--set-json object";

/// The values that a user lays over the defaults of a chart: files, literals and `--set`, merged in the order
/// in which they are added.
///
/// Helm's own order is files, then `--set-json`, `--set`, `--set-string`, `--set-file` and `--set-literal`,
/// each in the order of the command line.
///
/// ```
/// use gitops_helm::Values;
///
/// let mut values = Values::new();
/// values.merge_yaml("prod.yaml", "image: {tag: v1}\nreplicas: 1\n")?;
/// values.set("replicas=3,image.pullPolicy=Always")?;
/// values.set_string("image.tag=2")?;
/// let value = values.to_value();
/// assert_eq!(value.at(&["image", "tag"]).and_then(|v| v.as_str()), Some("2"));
/// assert_eq!(value.at(&["replicas"]).and_then(|v| v.as_i64()), Some(3));
/// # Ok::<(), gitops_helm::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    nodes: NodeMap,
    helm: HelmVersion,
}

impl Values {
    /// Makes empty values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes empty values that read files and assignments as a version of Helm does.
    ///
    /// Helm 4 merges all documents of a file, where Helm 3 reads the first, and takes a JSON object for
    /// `--set-json`.
    #[must_use]
    pub fn of(helm: HelmVersion) -> Self {
        Self {
            nodes: NodeMap::new(),
            helm,
        }
    }

    /// Merges the first document of a YAML text; `name` stands for it in errors.
    ///
    /// # Errors
    /// [`Error::ValuesFile`] where the text is not YAML or not a map.
    pub fn merge_yaml(&mut self, name: &str, text: impl AsRef<[u8]>) -> Result<(), Error> {
        let map = match self.helm {
            HelmVersion::V3 => {
                yaml::read(text.as_ref()).and_then(|document| load::values_map(&document))
            }
            HelmVersion::V4 => yaml::read_stream(text.as_ref()),
        };
        let map = map.map_err(|reason| Error::ValuesFile {
            file: name.to_owned(),
            reason,
        })?;
        self.merge(&map);
        Ok(())
    }

    /// Merges a map: maps are merged key by key, other values replaced, `null` included.
    pub fn merge(&mut self, map: &Map) {
        node::merge(&mut self.nodes, node::from_map(map));
    }

    fn assign(
        &mut self,
        flag: &'static str,
        text: &str,
        reading: Reading<'_>,
    ) -> Result<(), Error> {
        assign(text, reading, &mut self.nodes).map_err(|reason| Error::Set {
            flag,
            text: text.to_owned(),
            reason,
        })
    }

    /// Carries out assignments as `--set` reads them: `a.b=1,list={x,y},c[0].d=true`.
    ///
    /// # Errors
    /// [`Error::Set`] where the text is malformed or does not fit the values that are there.
    pub fn set(&mut self, text: &str) -> Result<(), Error> {
        self.assign("--set", text, Reading::Typed)
    }

    /// Carries out assignments of text as `--set-string` reads them.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_string(&mut self, text: &str) -> Result<(), Error> {
        self.assign("--set-string", text, Reading::Text)
    }

    /// Carries out assignments of JSON as `--set-json` reads them. Helm 4 merges a text that begins with `{`
    /// as a whole.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_json(&mut self, text: &str) -> Result<(), Error> {
        if self.helm == HelmVersion::V4 && text.trim_start().starts_with('{') {
            let invalid = |reason: String| Error::Set {
                flag: SET_JSON_OBJECT,
                text: text.to_owned(),
                reason,
            };
            let value = gitops_manifest::Value::from_json(text.trim())
                .map_err(|error| invalid(error.to_string()))?;
            let map = load::values_map(&value).map_err(invalid)?;
            self.merge(&map);
            return Ok(());
        }
        self.assign("--set-json", text, Reading::Json)
    }

    /// Carries out assignments of the content of files as `--set-file` reads them; `read` gives the content
    /// of a path, or says why it cannot.
    ///
    /// # Errors
    /// As [`set`](Self::set), and where a file cannot be read.
    pub fn set_file(
        &mut self,
        text: &str,
        mut read: impl FnMut(&str) -> Result<String, String>,
    ) -> Result<(), Error> {
        self.assign("--set-file", text, Reading::File(&mut read))
    }

    /// Carries out one assignment of text without any escapes as `--set-literal` reads it.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_literal(&mut self, text: &str) -> Result<(), Error> {
        self.assign("--set-literal", text, Reading::Literal)
    }

    /// Returns the values as a manifest says them, which does not tell integers from doubles.
    #[must_use]
    pub fn to_value(&self) -> gitops_manifest::Value {
        gitops_manifest::Value::Object(node::to_map(&self.nodes))
    }

    pub(crate) const fn nodes(&self) -> &NodeMap {
        &self.nodes
    }
}

impl From<&Map> for Values {
    fn from(map: &Map) -> Self {
        Self {
            nodes: node::from_map(map),
            helm: HelmVersion::default(),
        }
    }
}
