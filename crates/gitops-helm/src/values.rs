//! The values that a user gives a chart.

use gitops_manifest::Map;

use crate::node::{self, NodeMap};
use crate::set::{Reading, assign};
use crate::{Error, load, yaml};

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
pub struct Values(NodeMap);

impl Values {
    /// Makes empty values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Merges the first document of a YAML text; `name` stands for it in errors.
    ///
    /// # Errors
    /// [`Error::ValuesFile`] where the text is not YAML or not a map.
    pub fn merge_yaml(&mut self, name: &str, text: impl AsRef<[u8]>) -> Result<(), Error> {
        let map = yaml::read(text.as_ref())
            .and_then(|document| load::values_map(&document))
            .map_err(|reason| Error::ValuesFile {
                file: name.to_owned(),
                reason,
            })?;
        self.merge(&map);
        Ok(())
    }

    /// Merges a map: maps are merged key by key, other values replaced, `null` included.
    pub fn merge(&mut self, map: &Map) {
        node::merge(&mut self.0, node::from_map(map));
    }

    fn assign(
        &mut self,
        flag: &'static str,
        text: &str,
        reading: Reading<'_>,
    ) -> Result<(), Error> {
        assign(text, reading, &mut self.0).map_err(|reason| Error::Set {
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

    /// Carries out assignments of JSON as `--set-json` reads them.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_json(&mut self, text: &str) -> Result<(), Error> {
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
        gitops_manifest::Value::Object(node::to_map(&self.0))
    }

    pub(crate) const fn nodes(&self) -> &NodeMap {
        &self.0
    }
}

impl From<&Map> for Values {
    fn from(map: &Map) -> Self {
        Self(node::from_map(map))
    }
}
