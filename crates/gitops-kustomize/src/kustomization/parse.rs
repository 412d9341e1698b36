//! The fields of a kustomization, one by one.

use gitops_manifest::Str;

use super::decode::{Decoder, Fields, Spanned};
use super::{
    At, FieldOptions, GeneratorArgs, GeneratorOptions, HelmChart, HelmGlobals, Image,
    Kustomization, Label, Patch, Replacement, ReplacementField, Replica, Selector, SortOptions,
    Source, Target, Var,
};
use crate::fieldspec::FieldSpec;
use crate::id::{Gvk, split_api_version};

const KUSTOMIZATION: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "openapi",
    "namePrefix",
    "nameSuffix",
    "namespace",
    "commonLabels",
    "labels",
    "commonAnnotations",
    "patchesStrategicMerge",
    "patchesJson6902",
    "patches",
    "images",
    "imageTags",
    "replacements",
    "replicas",
    "vars",
    "sortOptions",
    "resources",
    "components",
    "crds",
    "bases",
    "configMapGenerator",
    "secretGenerator",
    "helmGlobals",
    "helmCharts",
    "helmChartInflationGenerator",
    "generatorOptions",
    "configurations",
    "generators",
    "transformers",
    "validators",
    "buildMetadata",
];

/// The deprecated fields, in the order in which kustomize warns of them.
const DEPRECATED: [&str; 6] = [
    "bases",
    "commonLabels",
    "imageTags",
    "patchesJson6902",
    "patchesStrategicMerge",
    "vars",
];

/// Reads a kustomization.
pub(crate) fn kustomization(decoder: &mut Decoder, file: &Spanned) -> Kustomization {
    let Some(f) = decoder.fields(file, "", KUSTOMIZATION) else {
        return Kustomization {
            is_empty: true,
            ..Kustomization::default()
        };
    };
    let d = decoder;
    metadata(d, &f);
    let openapi = f
        .get("openapi")
        .and_then(|value| d.fields(value, "openapi", &["path", "version"]));
    let openapi_text = |d: &mut Decoder, name| {
        openapi
            .as_ref()
            .filter(|o| o.get(name).is_some())
            .map(|o| d.text(o, name))
    };
    let mut k = Kustomization {
        api_version: d.str(&f, "apiVersion"),
        kind: d.str(&f, "kind"),
        openapi_path: openapi_text(d, "path"),
        openapi_version: openapi_text(d, "version"),
        name_prefix: d.text(&f, "namePrefix"),
        name_suffix: d.text(&f, "nameSuffix"),
        namespace: d.text(&f, "namespace"),
        common_labels: d.pairs(&f, "commonLabels"),
        labels: d.list(&f, "labels", label),
        common_annotations: d.pairs(&f, "commonAnnotations"),
        patches_strategic_merge: d.texts(&f, "patchesStrategicMerge"),
        patches_json6902: d.list(&f, "patchesJson6902", patch),
        patches: d.list(&f, "patches", patch),
        images: d.list(&f, "images", image),
        replacements: d.list(&f, "replacements", replacement_field),
        replicas: d.list(&f, "replicas", replica),
        vars: d.list(&f, "vars", var),
        sort_options: f
            .get("sortOptions")
            .map(|value| sort_options(d, value, "sortOptions")),
        resources: d.texts(&f, "resources"),
        components: d.texts(&f, "components"),
        crds: d.texts(&f, "crds"),
        config_map_generator: d.list(&f, "configMapGenerator", generator),
        secret_generator: d.list(&f, "secretGenerator", secret_generator),
        helm_globals: f
            .get("helmGlobals")
            .map(|value| helm_globals(d, value, "helmGlobals"))
            .unwrap_or_default(),
        helm_charts: d.list(&f, "helmCharts", helm_chart),
        generator_options: f
            .get("generatorOptions")
            .map(|value| generator_options(d, value, "generatorOptions")),
        configurations: d.texts(&f, "configurations"),
        generators: d.texts(&f, "generators"),
        transformers: d.texts(&f, "transformers"),
        validators: d.texts(&f, "validators"),
        build_metadata: d.strs(&f, "buildMetadata"),
        deprecated: Vec::new(),
        is_empty: false,
    };
    for name in DEPRECATED {
        if let Some(value) = f.get(name) {
            k.deprecated.push((name, value.at));
        }
    }
    k.is_empty = is_empty(&f);
    let bases = d.texts(&f, "bases");
    k.resources.extend(bases);
    let tags = d.list(&f, "imageTags", image);
    k.images.extend(tags);
    inflation(d, &f, &mut k);
    if k.kind.is_empty() {
        k.kind = Str::from_static("Kustomization");
    }
    check_type(d, &f, &mut k);
    k
}

/// Whether a kustomization says nothing. Empty lists count as something said, as they do in kustomize.
fn is_empty(f: &Fields<'_>) -> bool {
    KUSTOMIZATION
        .iter()
        .filter(|name| !matches!(**name, "apiVersion" | "kind"))
        .all(|name| {
            let Some(value) = f.get(name) else {
                return true;
            };
            match &value.content {
                super::decode::Content::Plain(value) => value.as_str() == Some(""),
                super::decode::Content::List(items) => {
                    items.is_empty() && matches!(*name, "bases" | "imageTags")
                }
                super::decode::Content::Map(_) => false,
            }
        })
}

fn check_type(d: &mut Decoder, f: &Fields<'_>, k: &mut Kustomization) {
    let at = |name: &str| f.get(name).map_or(f.at(), |value| value.at);
    if k.kind != "Kustomization" && k.kind != "Component" {
        d.faults.push(super::decode::Fault {
            field: "kind".to_owned(),
            at: at("kind"),
            message: format!("kind is `{}`", k.kind),
            hint: Some("it should be Kustomization or Component".to_owned()),
        });
    }
    let wanted = if k.is_component() {
        "kustomize.config.k8s.io/v1alpha1"
    } else {
        "kustomize.config.k8s.io/v1beta1"
    };
    if k.api_version.is_empty() {
        k.api_version = wanted.into();
    } else if k.api_version != wanted {
        d.faults.push(super::decode::Fault {
            field: "apiVersion".to_owned(),
            at: at("apiVersion"),
            message: format!("apiVersion is `{}`", k.api_version),
            hint: Some(format!("for {} it should be {wanted}", k.kind)),
        });
    }
}

fn metadata(d: &mut Decoder, f: &Fields<'_>) {
    let names = &["name", "namespace", "labels", "annotations"];
    if let Some(m) = f
        .get("metadata")
        .and_then(|value| d.fields(value, "metadata", names))
    {
        d.str(&m, "name");
        d.str(&m, "namespace");
        d.pairs(&m, "labels");
        d.pairs(&m, "annotations");
    }
}

pub(crate) fn gvk(d: &mut Decoder, f: &Fields<'_>) -> Gvk {
    d.embedded(|d| Gvk {
        group: d.str(f, "group"),
        version: d.str(f, "version"),
        kind: d.str(f, "kind"),
    })
}

/// Reads a field spec.
pub(crate) fn field_spec(d: &mut Decoder, value: &Spanned, path: &str) -> FieldSpec {
    let names = &["group", "version", "kind", "path", "create"];
    match d.fields(value, path, names) {
        Some(f) => FieldSpec {
            gvk: gvk(d, &f),
            path: d.str(&f, "path").as_str().into(),
            create: d.bool(&f, "create"),
        },
        None => FieldSpec {
            gvk: Gvk::default(),
            path: "".into(),
            create: false,
        },
    }
}

fn label(d: &mut Decoder, value: &Spanned, path: &str) -> Label {
    let names = &[
        "pairs",
        "includeSelectors",
        "includeTemplates",
        "includeVolumeClaimTemplates",
        "fields",
    ];
    let Some(f) = d.fields(value, path, names) else {
        return Label::default();
    };
    Label {
        pairs: d.pairs(&f, "pairs"),
        include_selectors: d.bool(&f, "includeSelectors"),
        include_templates: d.bool(&f, "includeTemplates"),
        include_volume_claim_templates: d.bool(&f, "includeVolumeClaimTemplates"),
        fields: d.list(&f, "fields", field_spec),
        at: value.at,
    }
}

/// Reads a selector.
pub(crate) fn selector(d: &mut Decoder, value: &Spanned, path: &str) -> Selector {
    let names = &[
        "group",
        "version",
        "kind",
        "name",
        "namespace",
        "annotationSelector",
        "labelSelector",
    ];
    let Some(f) = d.fields(value, path, names) else {
        return Selector::default();
    };
    Selector {
        gvk: gvk(d, &f),
        name: d.embedded(|d| d.str(&f, "name")),
        namespace: d.embedded(|d| d.str(&f, "namespace")),
        annotations: d.str(&f, "annotationSelector"),
        labels: d.str(&f, "labelSelector"),
    }
}

/// Reads an entry of `patches`.
pub(crate) fn patch(d: &mut Decoder, value: &Spanned, path: &str) -> Patch {
    let Some(f) = d.fields(value, path, &["path", "patch", "target", "options"]) else {
        return Patch::default();
    };
    let options = f.get("options").and_then(|value| {
        let names = &["allowNameChange", "allowKindChange"];
        d.fields(value, &f.path("options"), names)
    });
    let (allow_name_change, allow_kind_change) = match &options {
        Some(o) => (d.bool(o, "allowNameChange"), d.bool(o, "allowKindChange")),
        None => (false, false),
    };
    Patch {
        path: d.text(&f, "path"),
        patch: d.text(&f, "patch"),
        target: f
            .get("target")
            .map(|value| selector(d, value, &f.path("target"))),
        allow_name_change,
        allow_kind_change,
        at: value.at,
    }
}

/// Reads an entry of `images`.
pub(crate) fn image(d: &mut Decoder, value: &Spanned, path: &str) -> Image {
    let names = &["name", "newName", "tagSuffix", "newTag", "digest"];
    let Some(f) = d.fields(value, path, names) else {
        return Image::default();
    };
    Image {
        name: d.str(&f, "name"),
        new_name: d.str(&f, "newName"),
        tag_suffix: d.str(&f, "tagSuffix"),
        new_tag: d.str(&f, "newTag"),
        digest: d.str(&f, "digest"),
        at: value.at,
    }
}

/// Reads an entry of `replicas`.
pub(crate) fn replica(d: &mut Decoder, value: &Spanned, path: &str) -> Replica {
    let Some(f) = d.fields(value, path, &["name", "count"]) else {
        return Replica::default();
    };
    Replica {
        name: d.str(&f, "name"),
        count: d.int(&f, "count"),
        at: value.at,
    }
}

fn field_options(d: &mut Decoder, value: &Spanned, path: &str) -> FieldOptions {
    let names = &["delimiter", "index", "encoding", "create"];
    let Some(f) = d.fields(value, path, names) else {
        return FieldOptions::default();
    };
    d.str(&f, "encoding");
    FieldOptions {
        delimiter: d.str(&f, "delimiter"),
        index: d.int(&f, "index"),
        create: d.bool(&f, "create"),
    }
}

fn source(d: &mut Decoder, value: &Spanned, path: &str) -> Source {
    let names = &[
        "group",
        "version",
        "kind",
        "name",
        "namespace",
        "fieldPath",
        "options",
    ];
    let Some(f) = d.fields(value, path, names) else {
        return Source::default();
    };
    Source {
        gvk: gvk(d, &f),
        name: d.embedded(|d| d.str(&f, "name")),
        namespace: d.embedded(|d| d.str(&f, "namespace")),
        field_path: d.str(&f, "fieldPath"),
        options: f
            .get("options")
            .map(|value| field_options(d, value, &f.path("options"))),
        at: value.at,
    }
}

fn target(d: &mut Decoder, value: &Spanned, path: &str) -> Target {
    let Some(f) = d.fields(value, path, &["select", "reject", "fieldPaths", "options"]) else {
        return Target::default();
    };
    Target {
        select: f
            .get("select")
            .map(|value| selector(d, value, &f.path("select"))),
        reject: d.list(&f, "reject", selector),
        field_paths: d.texts(&f, "fieldPaths"),
        options: f
            .get("options")
            .map(|value| field_options(d, value, &f.path("options"))),
        at: value.at,
    }
}

fn replacement_of(d: &mut Decoder, f: &Fields<'_>) -> Replacement {
    Replacement {
        source: f
            .get("source")
            .map(|value| source(d, value, &f.path("source"))),
        source_value: f.get("sourceValue").map(|_| d.str(f, "sourceValue")),
        targets: f
            .get("targets")
            .is_some()
            .then(|| d.list(f, "targets", target)),
        at: f.at(),
    }
}

/// Reads a replacement of a file of its own.
pub(crate) fn replacement(d: &mut Decoder, value: &Spanned, path: &str) -> Replacement {
    match d.fields(value, path, &["source", "targets", "sourceValue"]) {
        Some(f) => replacement_of(d, &f),
        None => Replacement::default(),
    }
}

/// Reads an entry of `replacements`.
pub(crate) fn replacement_field(d: &mut Decoder, value: &Spanned, path: &str) -> ReplacementField {
    let names = &["source", "targets", "sourceValue", "path"];
    let Some(f) = d.fields(value, path, names) else {
        return ReplacementField::default();
    };
    ReplacementField {
        path: d.text(&f, "path"),
        replacement: d.embedded(|d| replacement_of(d, &f)),
    }
}

fn var(d: &mut Decoder, value: &Spanned, path: &str) -> Var {
    let Some(f) = d.fields(value, path, &["name", "objref", "fieldref"]) else {
        return Var::default();
    };
    let mut var = Var {
        name: d.str(&f, "name"),
        at: value.at,
        field_path: Str::from_static("metadata.name"),
        ..Var::default()
    };
    let names = &[
        "apiVersion",
        "group",
        "version",
        "kind",
        "name",
        "namespace",
    ];
    if let Some(o) = f
        .get("objref")
        .and_then(|value| d.fields(value, &f.path("objref"), names))
    {
        var.gvk = gvk(d, &o);
        var.object_name = d.str(&o, "name");
        var.object_namespace = d.str(&o, "namespace");
        let api_version = d.str(&o, "apiVersion");
        if !api_version.is_empty() {
            match split_api_version(&api_version) {
                ("", version) => var.gvk.version = version.into(),
                (group, version) if !version.contains('/') => {
                    var.gvk.group = group.into();
                    var.gvk.version = version.into();
                }
                _ => {}
            }
        }
    }
    if let Some(r) = f
        .get("fieldref")
        .and_then(|value| d.fields(value, &f.path("fieldref"), &["fieldPath"]))
    {
        let path = d.str(&r, "fieldPath");
        if !path.is_empty() {
            var.field_path = path;
        }
    }
    var
}

/// Reads `sortOptions`.
pub(crate) fn sort_options(d: &mut Decoder, value: &Spanned, path: &str) -> SortOptions {
    let Some(f) = d.fields(value, path, &["order", "legacySortOptions"]) else {
        return SortOptions::default();
    };
    let legacy = f.get("legacySortOptions").and_then(|value| {
        let names = &["orderFirst", "orderLast"];
        d.fields(value, &f.path("legacySortOptions"), names)
    });
    SortOptions {
        order: d.str(&f, "order"),
        legacy: legacy.map(|l| (d.strs(&l, "orderFirst"), d.strs(&l, "orderLast"))),
        at: f.at(),
    }
}

/// Reads generator options.
pub(crate) fn generator_options(d: &mut Decoder, value: &Spanned, path: &str) -> GeneratorOptions {
    let names = &[
        "labels",
        "annotations",
        "disableNameSuffixHash",
        "immutable",
    ];
    let Some(f) = d.fields(value, path, names) else {
        return GeneratorOptions::default();
    };
    GeneratorOptions {
        labels: d.pairs(&f, "labels"),
        annotations: d.pairs(&f, "annotations"),
        disable_name_suffix_hash: d.bool(&f, "disableNameSuffixHash"),
        immutable: d.bool(&f, "immutable"),
    }
}

const GENERATOR: &[&str] = &[
    "namespace",
    "name",
    "behavior",
    "literals",
    "files",
    "envs",
    "env",
    "options",
];

const SECRET_GENERATOR: &[&str] = &[
    "namespace",
    "name",
    "behavior",
    "literals",
    "files",
    "envs",
    "env",
    "options",
    "type",
];

fn generator_of(d: &mut Decoder, f: &Fields<'_>) -> GeneratorArgs {
    let mut args = GeneratorArgs {
        name: d.str(f, "name"),
        namespace: d.str(f, "namespace"),
        behavior: d.str(f, "behavior"),
        literals: d.texts(f, "literals"),
        files: d.texts(f, "files"),
        envs: d.texts(f, "envs"),
        options: f
            .get("options")
            .map(|value| generator_options(d, value, &f.path("options"))),
        secret_type: Str::default(),
        at: f.at(),
    };
    let env = d.text(f, "env");
    if !env.value.is_empty() {
        args.envs.push(env);
    }
    args
}

/// Reads an entry of `configMapGenerator`.
pub(crate) fn generator(d: &mut Decoder, value: &Spanned, path: &str) -> GeneratorArgs {
    match d.fields(value, path, GENERATOR) {
        Some(f) => d.embedded(|d| generator_of(d, &f)),
        None => GeneratorArgs::default(),
    }
}

/// Reads an entry of `secretGenerator`.
pub(crate) fn secret_generator(d: &mut Decoder, value: &Spanned, path: &str) -> GeneratorArgs {
    match d.fields(value, path, SECRET_GENERATOR) {
        Some(f) => d.embedded(|d| GeneratorArgs {
            secret_type: d.str(&f, "type"),
            ..generator_of(d, &f)
        }),
        None => GeneratorArgs::default(),
    }
}

/// Reads `helmGlobals`.
pub(crate) fn helm_globals(d: &mut Decoder, value: &Spanned, path: &str) -> HelmGlobals {
    let Some(f) = d.fields(value, path, &["chartHome", "configHome"]) else {
        return HelmGlobals::default();
    };
    d.embedded(|d| HelmGlobals {
        chart_home: d.str(&f, "chartHome"),
        config_home: d.str(&f, "configHome"),
    })
}

/// Reads an entry of `helmCharts`.
pub(crate) fn helm_chart(d: &mut Decoder, value: &Spanned, path: &str) -> HelmChart {
    let names = &[
        "name",
        "version",
        "repo",
        "releaseName",
        "namespace",
        "additionalValuesFiles",
        "valuesFile",
        "valuesInline",
        "valuesMerge",
        "includeCRDs",
        "skipHooks",
        "apiVersions",
        "kubeVersion",
        "nameTemplate",
        "skipTests",
        "debug",
        "devel",
    ];
    let Some(f) = d.fields(value, path, names) else {
        return HelmChart::default();
    };
    d.bool(&f, "debug");
    d.bool(&f, "devel");
    d.embedded(|d| HelmChart {
        name: d.str(&f, "name"),
        version: d.str(&f, "version"),
        repo: d.str(&f, "repo"),
        release_name: d.str(&f, "releaseName"),
        namespace: d.str(&f, "namespace"),
        additional_values_files: d.strs(&f, "additionalValuesFiles"),
        values_file: d.str(&f, "valuesFile"),
        values_inline: f.get("valuesInline").map(Spanned::to_value),
        values_merge: d.str(&f, "valuesMerge"),
        include_crds: d.bool(&f, "includeCRDs"),
        skip_hooks: d.bool(&f, "skipHooks"),
        api_versions: d.strs(&f, "apiVersions"),
        kube_version: d.str(&f, "kubeVersion"),
        name_template: d.str(&f, "nameTemplate"),
        skip_tests: d.bool(&f, "skipTests"),
        at: value.at,
    })
}

/// Reads the deprecated `helmChartInflationGenerator` into `helmCharts` and `helmGlobals`.
fn inflation(d: &mut Decoder, f: &Fields<'_>, k: &mut Kustomization) {
    let mut globals = HelmGlobals::default();
    let charts = d.list(f, "helmChartInflationGenerator", |d, value, path| {
        let names = &[
            "chartName",
            "chartVersion",
            "chartRepoUrl",
            "chartHome",
            "chartRepoName",
            "helmBin",
            "helmHome",
            "values",
            "valuesLocal",
            "valuesMerge",
            "releaseName",
            "releaseNamespace",
            "extraArgs",
        ];
        let Some(f) = d.fields(value, path, names) else {
            return HelmChart::default();
        };
        let (chart_home, helm_home) = (d.str(&f, "chartHome"), d.str(&f, "helmHome"));
        if !chart_home.is_empty() {
            globals.chart_home = chart_home;
        }
        if !helm_home.is_empty() {
            globals.config_home = helm_home;
        }
        HelmChart {
            name: d.str(&f, "chartName"),
            version: d.str(&f, "chartVersion"),
            repo: d.str(&f, "chartRepoUrl"),
            values_file: d.str(&f, "values"),
            values_inline: f.get("valuesLocal").map(Spanned::to_value),
            values_merge: d.str(&f, "valuesMerge"),
            release_name: d.str(&f, "releaseName"),
            at: value.at,
            ..HelmChart::default()
        }
    });
    if f.get("helmGlobals").is_none() && globals != HelmGlobals::default() {
        k.helm_globals = globals;
    }
    k.helm_charts.extend(charts);
}

/// Returns the place of the file's beginning.
pub(crate) const fn top() -> At {
    At { line: 1, column: 1 }
}
