//! From the bytes of an answer straight to objects.

use std::fmt;

use gitops_manifest::{GroupVersionKind, Map, Object, Str, Value};
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};

use crate::status::Status;

/// One page of a list.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) version: Str,
    /// What to ask on with; empty on the last page.
    pub(crate) next: String,
    pub(crate) objects: Vec<Object>,
}

/// What the objects of an answer are.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    api_version: Str,
    kind: Str,
    /// Whether objects come as `PartialObjectMetadata`.
    pub(crate) partial: bool,
}

impl Shape {
    pub(crate) fn new(gvk: &GroupVersionKind, partial: bool) -> Self {
        Self {
            api_version: gvk.api_version(),
            kind: gvk.kind.clone(),
            partial,
        }
    }

    /// Makes an object of what a server sent: the items of a list do not say what they are, and what is sent in part says
    /// it is something else. What nobody asks of it is left out.
    pub(crate) fn object(&self, mut map: Map) -> Result<Object, gitops_manifest::ObjectError> {
        for (field, value) in [("apiVersion", &self.api_version), ("kind", &self.kind)] {
            if self.partial || !map.contains_key(field) {
                map.insert(field, value);
            }
        }
        if self.partial {
            // A server that cannot send a part sends everything.
            map.retain(|field, _| matches!(field, "apiVersion" | "kind" | "metadata"));
        }
        let mut object = Object::new(map)?;
        if self.partial || is_controlled(&object) {
            // Nobody compares such an object with a desired one, and its owner writes it whole: who owns its fields is
            // half of it and of no use.
            object.metadata_mut().remove("managedFields");
        }
        Ok(object)
    }
}

/// Whether an object is made and kept up by a controller, as a Pod is by its ReplicaSet.
fn is_controlled(object: &Object) -> bool {
    let owners = object.meta("ownerReferences").and_then(Value::as_array);
    owners
        .into_iter()
        .flatten()
        .any(|owner| owner["controller"].as_bool() == Some(true))
}

/// Reads one page of a list.
pub(crate) fn page(body: &[u8], shape: &Shape) -> Result<Page, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let page = PageSeed(shape).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(page)
}

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct ListMeta {
    resource_version: Option<Str>,
    r#continue: Option<String>,
}

struct PageSeed<'s>(&'s Shape);

impl<'de> DeserializeSeed<'de> for PageSeed<'_> {
    type Value = Page;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Page, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> de::Visitor<'de> for PageSeed<'_> {
    type Value = Page;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Page, A::Error> {
        let mut page = Page::default();
        while let Some(field) = map.next_key::<Str>()? {
            match field.as_str() {
                "metadata" => {
                    let meta = map.next_value::<ListMeta>()?;
                    page.version = meta.resource_version.unwrap_or_default();
                    page.next = meta.r#continue.unwrap_or_default();
                }
                "items" => page.objects = map.next_value_seed(ItemsSeed(self.0))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(page)
    }
}

struct ItemsSeed<'s>(&'s Shape);

impl<'de> DeserializeSeed<'de> for ItemsSeed<'_> {
    type Value = Vec<Object>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Object>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for ItemsSeed<'_> {
    type Value = Vec<Object>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the items of a list")
    }

    // What is written in Go may send an empty list as null.
    fn visit_unit<E>(self) -> Result<Vec<Object>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<Object>, A::Error> {
        let mut objects = Vec::new();
        while let Some(map) = items.next_element::<Map>()? {
            objects.push(self.0.object(map).map_err(de::Error::custom)?);
        }
        Ok(objects)
    }
}

/// One line of a watch.
#[derive(Debug)]
pub(crate) enum Line {
    Applied(Object),
    Deleted(Object),
    Bookmark(Str),
    Error(Status),
}

#[derive(Deserialize)]
struct RawLine {
    r#type: Str,
    object: Map,
}

/// Reads one line of a watch.
pub(crate) fn line(bytes: &[u8], shape: &Shape) -> Result<Line, serde_json::Error> {
    let line: RawLine = serde_json::from_slice(bytes)?;
    let object = |map| shape.object(map).map_err(de::Error::custom);
    match line.r#type.as_str() {
        "ADDED" | "MODIFIED" => Ok(Line::Applied(object(line.object)?)),
        "DELETED" => Ok(Line::Deleted(object(line.object)?)),
        "BOOKMARK" => {
            let version = line.object.get("metadata").and_then(|metadata| {
                let version = metadata.get("resourceVersion")?;
                version.as_str().map(Str::from)
            });
            Ok(Line::Bookmark(version.unwrap_or_default()))
        }
        "ERROR" => {
            let status = Value::Object(line.object).to_json();
            Ok(Line::Error(serde_json::from_str(&status)?))
        }
        other => Err(de::Error::custom(format_args!(
            "a watch has no events of type {other:?}"
        ))),
    }
}

/// Reads one object with all that it has.
pub(crate) fn whole(body: &[u8]) -> Result<Object, serde_json::Error> {
    serde_json::from_slice(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(partial: bool) -> Shape {
        Shape::new(&GroupVersionKind::new("", "v1", "ConfigMap"), partial)
    }

    #[test]
    fn the_items_of_a_list_are_told_what_they_are() {
        let body = br#"{"kind":"ConfigMapList","apiVersion":"v1",
            "metadata":{"resourceVersion":"12","continue":"abc","remainingItemCount":3},
            "items":[{"metadata":{"name":"a"},"data":{"x":"1"}}]}"#;
        let read = page(body, &maps(false)).unwrap();
        assert_eq!((read.version.as_str(), read.next.as_str()), ("12", "abc"));
        assert_eq!(
            read.objects[0].to_value().to_json(),
            r#"{"apiVersion":"v1","data":{"x":"1"},"kind":"ConfigMap","metadata":{"name":"a"}}"#
        );
        let empty = page(br#"{"items":null,"metadata":{}}"#, &maps(false)).unwrap();
        assert!(empty.objects.is_empty() && empty.next.is_empty());
        for wrong in [&b"[]"[..], b"{\"items\":[1]}", b"{\"items\":[", b""] {
            assert!(page(wrong, &maps(false)).is_err());
        }
    }

    #[test]
    fn what_is_sent_in_part_is_of_its_own_kind() {
        let text = br#"{"type":"ADDED","object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1",
            "metadata":{"name":"a","resourceVersion":"5","managedFields":[]}}}"#;
        let Line::Applied(object) = line(text, &maps(true)).unwrap() else {
            panic!("an object was added");
        };
        assert_eq!(object.key().to_string(), "ConfigMap/a");
        assert!(object.meta("managedFields").is_none());
    }

    #[test]
    fn lines_of_a_watch_are_told_apart() {
        let read = |text: &str| line(text.as_bytes(), &maps(false)).unwrap();
        let bookmark = r#"{"type":"BOOKMARK","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"7"}}}"#;
        assert!(matches!(read(bookmark), Line::Bookmark(version) if version == "7"));
        let error = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","message":"too old resource version: 1 (5)","reason":"Expired","code":410}}"#;
        assert!(matches!(read(error), Line::Error(status) if status.code == 410));
        let deleted = r#"{"type":"DELETED","object":{"metadata":{"name":"a"}}}"#;
        assert!(matches!(read(deleted), Line::Deleted(object) if object.name() == "a"));
        for wrong in [
            "",
            "{}",
            r#"{"type":"X","object":{}}"#,
            r#"{"type":"ADDED","object":{"metadata":1}}"#,
        ] {
            assert!(line(wrong.as_bytes(), &maps(false)).is_err(), "{wrong}");
        }
    }
}
