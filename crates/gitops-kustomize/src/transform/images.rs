//! Image names, tags and digests.

use regex::Regex;

use crate::error::{BuildError, ErrorKind};
use crate::fieldspec::{Create, FieldSpecs, walk};
use crate::kustomization::Image;
use crate::node::{Kind, Node, Tag, WrongKind};
use crate::resmap::ResMap;
use crate::selector;

use super::{SetError, World, field_error};

/// An entry of `images` with its pattern.
#[derive(Debug)]
pub(crate) struct ImageRule<'a> {
    image: &'a Image,
    /// `None` where the name is no pattern: it matches nothing then.
    pattern: Option<Regex>,
    /// What every image that matches begins with.
    literal: &'a str,
}

impl<'a> ImageRule<'a> {
    pub(crate) fn new(image: &'a Image) -> Self {
        let name = &*image.name;
        let pattern = selector::pattern(&format!(
            "^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{{}}-]*)?$"
        ))
        .ok();
        let end = name
            .find(|c: char| !(c.is_ascii_alphanumeric() || "/-_:".contains(c)))
            .unwrap_or(name.len());
        let literal = match name[end..].chars().next() {
            // An alternative or a quantifier takes away from what stands before it.
            Some('?' | '*' | '{' | '|') => "",
            _ if name.contains('|') => "",
            _ => &name[..end],
        };
        Self {
            image,
            pattern,
            literal,
        }
    }

    fn apply(&self, value: &str) -> Option<String> {
        if !value.starts_with(self.literal)
            || !self.pattern.as_ref().is_some_and(|p| p.is_match(value))
        {
            return None;
        }
        let image = self.image;
        let (name, tag, digest) = split(value);
        let name = if image.new_name.is_empty() {
            name
        } else {
            &image.new_name
        };
        let (new_tag, new_digest) = (&*image.new_tag, &*image.digest);
        let (tag, digest) = match (new_tag.is_empty(), new_digest.is_empty()) {
            (false, _) => (new_tag.to_owned(), new_digest),
            (true, false) => (String::new(), new_digest),
            (true, true) if !image.tag_suffix.is_empty() => {
                (format!("{tag}{}", image.tag_suffix), "")
            }
            (true, true) => (tag.to_owned(), digest),
        };
        let mut out = name.to_owned();
        if !tag.is_empty() {
            out.push(':');
            out.push_str(&tag);
        }
        if !digest.is_empty() {
            out.push('@');
            out.push_str(digest);
        }
        Some(out)
    }
}

/// Splits an image into name, tag and digest.
fn split(image: &str) -> (&str, &str, &str) {
    let from = match image.find('/') {
        Some(slash) if slash > 0 => slash,
        _ => 0,
    };
    let at = image[from..].find('@').map(|i| i + from);
    let colon = image[from..].find(':').map(|i| i + from);
    match (at, colon) {
        (None, None) => (image, "", ""),
        (Some(at), colon) if colon.is_none_or(|colon| at < colon) => {
            (&image[..at], "", &image[at + 1..])
        }
        (Some(at), Some(colon)) => (&image[..colon], &image[colon + 1..at], &image[at + 1..]),
        (_, Some(colon)) => (&image[..colon], &image[colon + 1..], ""),
        (Some(_), None) => unreachable!("the second arm takes this"),
    }
}

/// Which passes of the transformer come by a field.
#[derive(Clone, Copy)]
enum Pass {
    /// Lists named `containers` and `initContainers`, wherever they are.
    Containers,
    Specs,
}

/// Sets images. kustomize makes two passes for each entry, one over all containers and one over the fields that the
/// specs name; a field that both come by is changed twice, as a suffix of a tag shows.
pub(crate) fn set_images(
    resources: &mut ResMap,
    rules: &[ImageRule<'_>],
    specs: &mut FieldSpecs,
    world: &World,
) -> Result<(), BuildError> {
    // What one entry makes may match another, or the same again.
    let one_by_one = rules
        .iter()
        .any(|rule| !rule.image.tag_suffix.is_empty() || !rule.image.new_name.is_empty());
    for resource in resources.contents_mut() {
        if resource.kind() == "CustomResourceDefinition" {
            continue;
        }
        let trie = specs.of(resource.api_version(), resource.kind());
        let groups: Vec<&[ImageRule<'_>]> = if one_by_one {
            rules.chunks(1).collect()
        } else {
            vec![rules]
        };
        for rules in groups {
            let mut shared = Vec::new();
            let mut set = |node: &mut Node, _: Pass| set_image(node, rules, &mut shared);
            let done = containers(&mut resource.node, &mut set);
            done.map_err(|fault| {
                let id = resource.id(&world.scope);
                let mut error = BuildError::new(
                    ErrorKind::Plugin,
                    format!("setting images of {id}: {fault}"),
                );
                error.place.clone_from(&resource.place);
                error
            })?;
            let done = walk(&mut resource.node, &trie, Create::Never, &mut |node, _| {
                set(node, Pass::Specs)
            });
            done.map_err(|fault| {
                let specs = specs.specs();
                let what = "setting images";
                field_error(
                    ErrorKind::Plugin,
                    what,
                    resource,
                    &world.scope,
                    specs,
                    &fault,
                )
            })?;
            for node in shared {
                if let Node::Scalar(scalar) = &node {
                    resource.node.spread(scalar);
                }
            }
        }
    }
    Ok(())
}

fn set_image(
    node: &mut Node,
    rules: &[ImageRule<'_>],
    shared: &mut Vec<Node>,
) -> Result<(), SetError> {
    node.expect(Kind::Scalar)?;
    for rule in rules {
        if let Some(image) = rule.apply(node.text()) {
            let number = node.set_scalar(image, Tag::Open)?;
            if number != 0 {
                shared.push(node.clone());
            }
        }
    }
    Ok(())
}

/// Goes through a tree for lists of containers.
fn containers(
    node: &mut Node,
    set: &mut impl FnMut(&mut Node, Pass) -> Result<(), SetError>,
) -> Result<(), SetError> {
    match node {
        Node::Scalar(_) => {}
        Node::Seq(items) => {
            for item in items {
                containers(item, set)?;
            }
        }
        Node::Map(entries) => {
            for (key, value) in entries {
                containers(value, set)?;
                if !matches!(&*key.text, "containers" | "initContainers") {
                    continue;
                }
                let Node::Seq(items) = value else {
                    continue;
                };
                for item in items {
                    item.expect(Kind::Map)?;
                    if let Some(image) = item.get_mut("image") {
                        set(image, Pass::Containers)?;
                    }
                }
            }
        }
    }
    Ok(())
}

impl From<WrongKind> for BuildError {
    fn from(error: WrongKind) -> Self {
        Self::new(ErrorKind::Plugin, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_split() {
        assert_eq!(split("nginx"), ("nginx", "", ""));
        assert_eq!(
            split("r:80/a/nginx:1@sha256:x"),
            ("r:80/a/nginx", "1", "sha256:x")
        );
        assert_eq!(split("nginx@sha256:x"), ("nginx", "", "sha256:x"));
        assert_eq!(split("r:80/nginx"), ("r:80/nginx", "", ""));
    }
}
