//! The kustomization file: what it may say, read and checked.

pub(crate) mod decode;
pub(crate) mod parse;

use std::sync::Arc;

use gitops_manifest::{Str, Value};

pub(crate) use decode::{At, Text};

use crate::error::Place;
use crate::id::Gvk;

/// The names under which a folder's kustomization is found.
pub(crate) const FILE_NAMES: [&str; 3] =
    ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What a kustomization says, deprecated spellings brought into their present ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kustomization {
    pub(crate) api_version: Str,
    pub(crate) kind: Str,
    pub(crate) openapi_path: Option<Text>,
    pub(crate) openapi_version: Option<Text>,
    pub(crate) name_prefix: Text,
    pub(crate) name_suffix: Text,
    pub(crate) namespace: Text,
    pub(crate) common_labels: Vec<(Str, Str)>,
    pub(crate) labels: Vec<Label>,
    pub(crate) common_annotations: Vec<(Str, Str)>,
    pub(crate) patches_strategic_merge: Vec<Text>,
    pub(crate) patches_json6902: Vec<Patch>,
    pub(crate) patches: Vec<Patch>,
    pub(crate) images: Vec<Image>,
    pub(crate) replacements: Vec<ReplacementField>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) vars: Vec<Var>,
    pub(crate) sort_options: Option<SortOptions>,
    pub(crate) resources: Vec<Text>,
    pub(crate) components: Vec<Text>,
    pub(crate) crds: Vec<Text>,
    pub(crate) config_map_generator: Vec<GeneratorArgs>,
    pub(crate) secret_generator: Vec<GeneratorArgs>,
    pub(crate) helm_globals: HelmGlobals,
    pub(crate) helm_charts: Vec<HelmChart>,
    pub(crate) generator_options: Option<GeneratorOptions>,
    pub(crate) configurations: Vec<Text>,
    pub(crate) generators: Vec<Text>,
    pub(crate) transformers: Vec<Text>,
    pub(crate) validators: Vec<Text>,
    pub(crate) build_metadata: Vec<Str>,
    /// The deprecated fields that it uses, in the order in which kustomize warns of them.
    pub(crate) deprecated: Vec<(&'static str, At)>,
    /// Whether it says nothing but its kind.
    pub(crate) is_empty: bool,
}

impl Kustomization {
    pub(crate) fn is_component(&self) -> bool {
        self.kind == "Component"
    }

    pub(crate) fn asks_for(&self, metadata: &str) -> bool {
        self.build_metadata.iter().any(|asked| asked == metadata)
    }
}

/// An entry of `labels`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Label {
    pub(crate) pairs: Vec<(Str, Str)>,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) include_volume_claim_templates: bool,
    pub(crate) fields: Vec<crate::fieldspec::FieldSpec>,
    pub(crate) at: At,
}

/// A selector of resources; names and kinds are regular expressions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) gvk: Gvk,
    pub(crate) name: Str,
    pub(crate) namespace: Str,
    pub(crate) annotations: Str,
    pub(crate) labels: Str,
}

/// An entry of `patches` or `patchesJson6902`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patch {
    pub(crate) path: Text,
    pub(crate) patch: Text,
    pub(crate) target: Option<Selector>,
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
    pub(crate) at: At,
}

/// An entry of `images`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    pub(crate) name: Str,
    pub(crate) new_name: Str,
    pub(crate) tag_suffix: Str,
    pub(crate) new_tag: Str,
    pub(crate) digest: Str,
    pub(crate) at: At,
}

/// An entry of `replicas`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replica {
    pub(crate) name: Str,
    pub(crate) count: i64,
    pub(crate) at: At,
}

/// An entry of `replacements`: a replacement, or the path of a file with some.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplacementField {
    pub(crate) path: Text,
    pub(crate) replacement: Replacement,
}

/// A value that is copied from one field to others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replacement {
    pub(crate) source: Option<Source>,
    pub(crate) source_value: Option<Str>,
    /// `None` where no targets are written.
    pub(crate) targets: Option<Vec<Target>>,
    pub(crate) at: At,
}

/// Where a replacement takes its value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    pub(crate) gvk: Gvk,
    pub(crate) name: Str,
    pub(crate) namespace: Str,
    pub(crate) field_path: Str,
    pub(crate) options: Option<FieldOptions>,
    pub(crate) at: At,
}

/// Where a replacement puts its value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) select: Option<Selector>,
    pub(crate) reject: Vec<Selector>,
    pub(crate) field_paths: Vec<Text>,
    pub(crate) options: Option<FieldOptions>,
    pub(crate) at: At,
}

/// How a field of a replacement is taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldOptions {
    pub(crate) delimiter: Str,
    pub(crate) index: i64,
    pub(crate) create: bool,
}

/// An entry of `vars`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Var {
    pub(crate) name: Str,
    pub(crate) gvk: Gvk,
    pub(crate) object_name: Str,
    pub(crate) object_namespace: Str,
    pub(crate) field_path: Str,
    pub(crate) at: At,
    /// Where it was met, once it is accumulated.
    pub(crate) written: Option<Arc<Written>>,
}

/// Where something stands, for errors that are found when its kustomization has been left.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) place: Place,
    pub(crate) field: String,
    pub(crate) chain: Vec<Arc<str>>,
}

/// `sortOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SortOptions {
    pub(crate) order: Str,
    /// The kinds that come first and last.
    pub(crate) legacy: Option<(Vec<Str>, Vec<Str>)>,
    pub(crate) at: At,
}

/// An entry of `configMapGenerator` or `secretGenerator`.
#[derive(Clone, Debug, Default)]
pub(crate) struct GeneratorArgs {
    pub(crate) name: Str,
    pub(crate) namespace: Str,
    pub(crate) behavior: Str,
    pub(crate) literals: Vec<Text>,
    pub(crate) files: Vec<Text>,
    pub(crate) envs: Vec<Text>,
    pub(crate) options: Option<GeneratorOptions>,
    /// The type of a Secret.
    pub(crate) secret_type: Str,
    pub(crate) at: At,
}

/// `generatorOptions`, and `options` of a generator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: Vec<(Str, Str)>,
    pub(crate) annotations: Vec<(Str, Str)>,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

impl GeneratorOptions {
    /// Fills in what the options for all generators say.
    pub(crate) fn with_global(own: Option<Self>, global: Option<&Self>) -> Option<Self> {
        let Some(global) = global else {
            return own;
        };
        let mut own = own.unwrap_or_default();
        let fill = |own: &mut Vec<(Str, Str)>, global: &[(Str, Str)]| {
            for (key, value) in global {
                if !own.iter().any(|(k, _)| k == key) {
                    own.push((key.clone(), value.clone()));
                }
            }
            own.sort_by(|a, b| a.0.cmp(&b.0));
        };
        fill(&mut own.labels, &global.labels);
        fill(&mut own.annotations, &global.annotations);
        own.disable_name_suffix_hash |= global.disable_name_suffix_hash;
        own.immutable |= global.immutable;
        Some(own)
    }
}

/// `helmGlobals`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HelmGlobals {
    pub(crate) chart_home: Str,
    pub(crate) config_home: Str,
}

/// An entry of `helmCharts`.
#[derive(Clone, Debug, Default)]
pub(crate) struct HelmChart {
    pub(crate) name: Str,
    pub(crate) version: Str,
    pub(crate) repo: Str,
    pub(crate) release_name: Str,
    pub(crate) namespace: Str,
    pub(crate) additional_values_files: Vec<Str>,
    pub(crate) values_file: Str,
    pub(crate) values_inline: Option<Value>,
    pub(crate) values_merge: Str,
    pub(crate) include_crds: bool,
    pub(crate) skip_hooks: bool,
    pub(crate) api_versions: Vec<Str>,
    pub(crate) kube_version: Str,
    pub(crate) name_template: Str,
    pub(crate) skip_tests: bool,
    pub(crate) at: At,
}
