//! Objects out of texts.

use crate::yaml::{self, ParseOptions};
use crate::{Diagnostic, Object, ObjectError, Str, Value};

/// Reads the objects of a text: all its documents, lists expanded, empty documents left out.
///
/// What cannot be read is said in the diagnostics, with `file` and the line; the rest is read all the same.
///
/// ```
/// use gitops_manifest::{objects, yaml::ParseOptions};
///
/// let text = "
/// apiVersion: v1
/// kind: List
/// items:
/// - {apiVersion: v1, kind: Service, metadata: {name: web}}
/// - {apiVersion: v1, metadata: {name: db}}
/// --- # nothing here
/// ---
/// kind: Pod
/// ";
/// let (objects, diagnostics) = objects("web.yaml", text, &ParseOptions::default());
/// assert_eq!(objects.len(), 1);
/// assert_eq!(objects[0].name(), "web");
/// assert_eq!(diagnostics[0].message, "items[1]: kind is missing");
/// assert_eq!(diagnostics[0].position.expect("a place").line, 6);
/// assert_eq!(diagnostics[1].message, "apiVersion is missing");
/// assert_eq!(diagnostics[1].position.expect("a place").line, 9);
/// ```
#[must_use]
pub fn objects(file: &str, text: &str, options: &ParseOptions) -> (Vec<Object>, Vec<Diagnostic>) {
    let mut objects = Vec::new();
    let mut diagnostics = Vec::new();
    let file: Str = file.into();
    for mut document in yaml::documents(text, options) {
        let value = match std::mem::replace(&mut document.value, Ok(Value::Null)) {
            Ok(Value::Null) => continue,
            Ok(value) => value,
            Err(error) => {
                diagnostics.push(Diagnostic::from_yaml(&file, &error));
                continue;
            }
        };
        let mut located = 0;
        let mut refuse = |error: ListItemError| {
            // Each place is found by parsing the document again.
            located += 1;
            let mark = (located <= LOCATED)
                .then(|| yaml::locate_in(text, document.start, &error.pointer()))
                .flatten()
                .unwrap_or(document.start);
            let mut diagnostic = Diagnostic {
                position: Some(mark.position(text)),
                source_line: Some(yaml::source_line(text, mark).to_owned()),
                ..Diagnostic::error(&file, error.to_string())
            };
            if let ObjectError::Missing { field } = &error.error {
                diagnostic.hint = Some(format!("every object of Kubernetes has {field}"));
            }
            diagnostics.push(diagnostic);
        };
        match Object::try_from(value) {
            Ok(object) => expand_into(object, &mut objects, &mut refuse),
            Err(error) => refuse(ListItemError {
                path: Vec::new(),
                error,
            }),
        }
    }
    (objects, diagnostics)
}

/// For how many mistakes of a document the place is looked for; the others are shown where it begins.
const LOCATED: usize = 50;

/// Why an element of a list is not an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ListItemError {
    /// The way to it: the index in the list, for a list within a list one index more.
    pub path: Vec<usize>,
    /// What is wrong with it.
    #[source]
    pub error: ObjectError,
}

impl ListItemError {
    /// Returns the way to the element as a JSON pointer.
    #[must_use]
    pub fn pointer(&self) -> String {
        self.path
            .iter()
            .map(|item| format!("/items/{item}"))
            .collect()
    }
}

impl std::fmt::Display for ListItemError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, item) in self.path.iter().enumerate() {
            let dot = if i > 0 { "." } else { "" };
            write!(f, "{dot}items[{item}]")?;
        }
        if !self.path.is_empty() {
            f.write_str(": ")?;
        }
        write!(f, "{}", self.error)
    }
}

impl Object {
    /// Whether this is a list of objects: its kind ends with `List` and it has `items`, which are a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.kind().ends_with("List") && matches!(self.get("items"), Some(Value::Array(_)))
    }

    /// Returns the objects of a list, those of lists within it too, or the object itself where it is none.
    ///
    /// Elements of a typed list (`ConfigMapList`) may leave out their kind and version, as the API server does.
    ///
    /// # Errors
    /// Where an element is not an object.
    pub fn expand_list(self) -> Result<Vec<Self>, ListItemError> {
        let mut objects = Vec::new();
        let mut first = None;
        expand_into(self, &mut objects, &mut |error| {
            first.get_or_insert(error);
        });
        first.map_or(Ok(objects), Err)
    }
}

/// Adds the objects of a list, or the object itself where it is none; tells of elements that are no objects.
fn expand_into(object: Object, objects: &mut Vec<Object>, refuse: &mut dyn FnMut(ListItemError)) {
    // Elements that are still to be looked at, the next one last.
    let mut pending: Vec<(Vec<usize>, Object)> = vec![(Vec::new(), object)];
    while let Some((path, object)) = pending.pop() {
        if !object.is_list() {
            objects.push(object);
            continue;
        }
        let kind = object.kind().strip_suffix("List").unwrap_or_default();
        let version = object.api_version();
        let items = object.get("items").and_then(Value::as_array);
        let mut found = Vec::new();
        for (i, item) in items.into_iter().flatten().enumerate() {
            let mut path = path.clone();
            path.push(i);
            match Object::try_from(with_type(item.clone(), version, kind)) {
                Ok(object) => found.push((path, object)),
                Err(error) => refuse(ListItemError { path, error }),
            }
        }
        pending.extend(found.into_iter().rev());
    }
}

/// Fills in what the elements of a typed list may leave out.
fn with_type(mut item: Value, version: &str, kind: &str) -> Value {
    if let Value::Object(map) = &mut item
        && !kind.is_empty()
        && !map.contains_key("kind")
        && !map.contains_key("apiVersion")
    {
        map.insert("apiVersion", version);
        map.insert("kind", kind);
    }
    item
}
