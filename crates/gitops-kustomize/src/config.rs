//! The field specs of all transformers: built in, from `configurations`, from `crds`.

use std::sync::{Arc, LazyLock};

use gitops_manifest::Value;

use crate::fieldspec::{Conflict, FieldSpec, merge};
use crate::id::Gvk;
use crate::kustomization::decode::{Decoder, Spanned};
use crate::kustomization::parse::{field_spec, gvk};

/// The kinds that names refer to, each with the fields that refer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NameReference {
    pub(crate) target: Gvk,
    pub(crate) fields: Vec<FieldSpec>,
}

/// Which transformer a list of field specs belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    NamePrefix,
    NameSuffix,
    Namespace,
    CommonLabels,
    Labels,
    TemplateLabels,
    VolumeClaimTemplateLabels,
    CommonAnnotations,
    VarReference,
    Images,
    Replicas,
}

const SECTIONS: [&str; 11] = [
    "namePrefix",
    "nameSuffix",
    "namespace",
    "commonLabels",
    "labels",
    "templateLabels",
    "volumeClaimTemplateLabels",
    "commonAnnotations",
    "varReference",
    "images",
    "replicas",
];

const FIELDS: &[&str] = &[
    "namePrefix",
    "nameSuffix",
    "namespace",
    "commonLabels",
    "labels",
    "templateLabels",
    "volumeClaimTemplateLabels",
    "commonAnnotations",
    "varReference",
    "images",
    "replicas",
    "nameReference",
];

/// The field specs of all transformers. Lists are shared: most builds never change them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    specs: [Arc<Vec<FieldSpec>>; 11],
    pub(crate) name_references: Arc<Vec<NameReference>>,
}

static BUILT_IN: LazyLock<Config> = LazyLock::new(Config::read_built_in);

const DEFAULTS: &str = include_str!("../data/fieldspecs.txt");

impl Config {
    /// Returns what is built into kustomize.
    pub(crate) fn built_in() -> Self {
        BUILT_IN.clone()
    }

    fn read_built_in() -> Self {
        let mut config = Self::default();
        let mut references: Vec<NameReference> = Vec::new();
        let mut section = None;
        let part = |text: &str| if text == "-" { "" } else { text }.into();
        for line in DEFAULTS.lines().filter(|line| !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = SECTIONS.iter().position(|s| *s == name);
                continue;
            }
            let mut words = line.trim_start_matches("> ").splitn(5, ' ');
            let mut word = || words.next().unwrap_or_default();
            let (kind, group, version) = (part(word()), part(word()), part(word()));
            let gvk = Gvk {
                group,
                version,
                kind,
            };
            if line.starts_with('>') {
                references.push(NameReference {
                    target: gvk,
                    fields: Vec::new(),
                });
                continue;
            }
            let create = word() == "+";
            let spec = FieldSpec {
                gvk,
                path: word().into(),
                create,
            };
            match section {
                Some(i) => Arc::make_mut(&mut config.specs[i]).push(spec),
                None => {
                    let fields = &mut references
                        .last_mut()
                        .expect("a field follows the kind that it refers to")
                        .fields;
                    if !fields.contains(&spec) {
                        fields.push(spec);
                    }
                }
            }
        }
        config.name_references = Arc::new(references);
        config
    }

    pub(crate) fn section(&self, section: Section) -> &[FieldSpec] {
        &self.specs[section as usize]
    }

    /// Adds what another says, one by one: what is there already is left out, and a spec for any kind is there
    /// already where one for a certain kind has its path. So specs of `configurations` take the place of the built-in
    /// ones when they are merged, sorted by kind, into nothing.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), Conflict> {
        for (i, (own, more)) in self.specs.iter_mut().zip(&other.specs).enumerate() {
            if more.is_empty() || Arc::ptr_eq(own, more) {
                continue;
            }
            // What is built in does not change by this.
            if own.is_empty() && Arc::ptr_eq(more, &BUILT_IN.specs[i]) {
                own.clone_from(more);
                continue;
            }
            let own = Arc::make_mut(own);
            merge(own, more.iter())?;
            own.sort_by_cached_key(|spec| order(&spec.gvk));
        }
        let (own, more) = (&mut self.name_references, &other.name_references);
        if more.is_empty() || Arc::ptr_eq(own, more) {
            return Ok(());
        }
        if own.is_empty() && Arc::ptr_eq(more, &BUILT_IN.name_references) {
            own.clone_from(more);
            return Ok(());
        }
        let own = Arc::make_mut(own);
        for reference in more.iter() {
            add_reference(own, reference)?;
        }
        own.sort_by_cached_key(|reference| order(&reference.target));
        Ok(())
    }

    fn add(&mut self, section: Section, spec: &FieldSpec) -> Result<(), Conflict> {
        merge(Arc::make_mut(&mut self.specs[section as usize]), [spec])
    }
}

fn add_reference(list: &mut Vec<NameReference>, reference: &NameReference) -> Result<(), Conflict> {
    let mut found = false;
    for own in list.iter_mut().filter(|own| own.target == reference.target) {
        merge(&mut own.fields, reference.fields.iter())?;
        found = true;
    }
    if !found {
        list.push(reference.clone());
    }
    Ok(())
}

/// Reads a file of `configurations`.
pub(crate) fn parse(decoder: &mut Decoder, file: &Spanned) -> Config {
    let mut config = Config::default();
    let Some(f) = decoder.fields(file, "", FIELDS) else {
        return config;
    };
    for (i, name) in SECTIONS.iter().enumerate() {
        let mut specs = decoder.list(&f, name, field_spec);
        specs.sort_by_cached_key(|spec| order(&spec.gvk));
        config.specs[i] = Arc::new(specs);
    }
    let mut references = decoder.list(&f, "nameReference", |d, value, path| {
        let names = &["group", "version", "kind", "fieldSpecs"];
        let Some(f) = d.fields(value, path, names) else {
            return NameReference {
                target: Gvk::default(),
                fields: Vec::new(),
            };
        };
        NameReference {
            target: gvk(d, &f),
            fields: d.list(&f, "fieldSpecs", field_spec),
        }
    });
    references.sort_by_cached_key(|reference| order(&reference.target));
    config.name_references = Arc::new(references);
    config
}

/// How field specs of a file are sorted: by the rank of the kind, then as texts.
fn order(gvk: &Gvk) -> (i32, String) {
    let part = |text: &str, absent: &'static str| -> String {
        if text.is_empty() { absent } else { text }.to_owned()
    };
    let text = format!(
        "{}_{}_{}",
        part(&gvk.group, "~G"),
        part(&gvk.version, "~V"),
        part(&gvk.kind, "~K")
    );
    (crate::sort::default_rank(&gvk.kind), text)
}

/// Reads a file of `crds`: OpenAPI definitions with marks on fields that hold labels, annotations or names.
pub(crate) fn from_crds(definitions: &Value) -> Result<Config, Conflict> {
    let mut config = Config::default();
    for (name, definition) in definitions.as_object().into_iter().flatten() {
        let properties = field(definition, "Schema").and_then(|schema| field(schema, "properties"));
        let is_object = ["kind", "apiVersion", "metadata"]
            .iter()
            .all(|name| properties.is_some_and(|p| p.get(name).is_some()));
        if is_object {
            let kind = name.rsplit('.').next().unwrap_or(name);
            let gvk = Gvk::of_kind(kind);
            let mut walk = CrdWalk {
                definitions,
                gvk,
                config: &mut config,
                open: Vec::new(),
            };
            walk.definition(name, &mut Vec::new())?;
        }
    }
    Ok(config)
}

/// Looks a field up as Go's JSON decoder does.
fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let map = value.as_object()?;
    map.get(name).or_else(|| {
        map.iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}

struct CrdWalk<'a> {
    definitions: &'a Value,
    gvk: Gvk,
    config: &'a mut Config,
    /// The definitions on the way here: one that contains itself is not entered again.
    open: Vec<&'a str>,
}

impl<'a> CrdWalk<'a> {
    fn definition(&mut self, name: &'a str, path: &mut Vec<String>) -> Result<(), Conflict> {
        let Some(definition) = self.definitions.get(name) else {
            return Ok(());
        };
        if self.open.contains(&name) {
            return Ok(());
        }
        self.open.push(name);
        let properties = field(definition, "Schema").and_then(|schema| field(schema, "properties"));
        for (name, property) in properties.and_then(Value::as_object).into_iter().flatten() {
            path.push(name.to_string());
            let spec = |path: &[String]| FieldSpec {
                gvk: self.gvk.clone(),
                path: path.join("/").into(),
                create: false,
            };
            let text = |key: &str| property.get(key).and_then(Value::as_str);
            if text("x-kubernetes-annotation").is_some() {
                self.config.add(Section::CommonAnnotations, &spec(path))?;
            }
            if text("x-kubernetes-label-selector").is_some() {
                self.config.add(Section::CommonLabels, &spec(path))?;
            }
            if text("x-kubernetes-identity").is_some() {
                self.config.add(Section::NamePrefix, &spec(path))?;
            }
            if let (Some(version), Some(kind)) = (
                text("x-kubernetes-object-ref-api-version"),
                text("x-kubernetes-object-ref-kind"),
            ) {
                let key = text("x-kubernetes-object-ref-name-key").unwrap_or("name");
                path.push(key.to_owned());
                let reference = NameReference {
                    target: Gvk {
                        version: version.into(),
                        ..Gvk::of_kind(kind)
                    },
                    fields: vec![spec(path)],
                };
                path.pop();
                add_reference(Arc::make_mut(&mut self.config.name_references), &reference)?;
            }
            if let Some(reference) = text("$ref") {
                self.definition(reference, path)?;
            }
            path.pop();
        }
        self.open.pop();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_complete() {
        let config = Config::built_in();
        assert_eq!(config.section(Section::Images).len(), 7);
        assert_eq!(config.section(Section::Replicas).len(), 4);
        assert_eq!(config.section(Section::Namespace).len(), 3);
        assert_eq!(config.section(Section::Labels).len(), 0);
        assert_eq!(config.section(Section::CommonLabels).len(), 32);
        let secret = config
            .name_references
            .iter()
            .find(|reference| reference.target.kind == "Secret");
        let secret = secret.expect("secrets are referred to");
        assert_eq!(secret.target.version, "v1");
        assert_eq!(
            secret
                .fields
                .iter()
                .filter(|f| f.gvk.kind == "Ingress")
                .count(),
            4
        );
    }
}
