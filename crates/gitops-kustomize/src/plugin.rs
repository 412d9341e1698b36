//! Generators and transformers that are configured by resources of their own.

use gitops_manifest::{Object, Str, Value};

use crate::error::{BuildError, ErrorKind};
use crate::fieldspec::FieldSpec;
use crate::kustomization::decode::{At, Decoder, Fault, Fields, Spanned};
use crate::kustomization::parse;
use crate::kustomization::{
    GeneratorArgs, HelmChart, HelmGlobals, Image, ReplacementField, Replica, Selector,
};
use crate::resource::Resource;
use crate::transform::namespace::Subjects;
use crate::transform::value_add::ValueTarget;

/// A configured generator or transformer.
#[derive(Debug)]
pub(crate) enum Plugin {
    ConfigMapGenerator(GeneratorArgs),
    SecretGenerator(GeneratorArgs),
    IamPolicyGenerator(IamPolicy),
    HelmChartInflationGenerator(HelmGlobals, Box<HelmChart>),
    Annotations(Vec<(Str, Str)>, Vec<FieldSpec>),
    Labels(Vec<(Str, Str)>, Vec<FieldSpec>),
    Images(Image, Vec<FieldSpec>),
    Namespace(NamespaceConfig),
    PatchJson6902(PatchConfig),
    PatchStrategicMerge {
        paths: Vec<Str>,
        patches: Str,
    },
    Patch(PatchConfig),
    PrefixSuffix(AffixConfig),
    Prefix(AffixConfig),
    Suffix(AffixConfig),
    Replacements(Vec<ReplacementField>),
    Replicas(Replica, Vec<FieldSpec>),
    ValueAdd(ValueAddConfig),
    /// A function that the host runs.
    Function(Box<Object>),
}

#[derive(Debug, Default)]
pub(crate) struct IamPolicy {
    pub(crate) cloud: Str,
    pub(crate) service_name: Str,
    pub(crate) service_namespace: Str,
    pub(crate) account_name: Str,
    pub(crate) account_project: Str,
}

#[derive(Debug)]
pub(crate) struct NamespaceConfig {
    pub(crate) namespace: Str,
    pub(crate) specs: Vec<FieldSpec>,
    pub(crate) unset_only: bool,
    pub(crate) subjects: Subjects,
}

#[derive(Debug, Default)]
pub(crate) struct PatchConfig {
    pub(crate) path: Str,
    pub(crate) patch: Str,
    pub(crate) target: Option<Selector>,
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
}

#[derive(Debug, Default)]
pub(crate) struct AffixConfig {
    pub(crate) prefix: Str,
    pub(crate) suffix: Str,
    pub(crate) specs: Option<Vec<FieldSpec>>,
}

#[derive(Debug, Default)]
pub(crate) struct ValueAddConfig {
    pub(crate) value: Str,
    pub(crate) targets: Vec<ValueTarget>,
    pub(crate) target_file: Str,
}

impl Plugin {
    /// Whether it makes resources and changes none. A function may be either.
    pub(crate) const fn is_generator(&self) -> bool {
        matches!(
            self,
            Self::ConfigMapGenerator(_)
                | Self::SecretGenerator(_)
                | Self::IamPolicyGenerator(_)
                | Self::HelmChartInflationGenerator(..)
        )
    }
}

/// Reads the configuration of a generator or transformer out of a resource.
pub(crate) fn configure(resource: &Resource) -> Result<Plugin, Vec<BuildError>> {
    let fail = |kind, message: String| {
        let mut error = BuildError::new(kind, message);
        error.place.clone_from(&resource.place);
        vec![error]
    };
    let name = format!("{} `{}`", resource.kind(), resource.name());
    let value = resource
        .node
        .to_value()
        .map_err(|error| fail(ErrorKind::Plugin, format!("configuring {name}: {error}")))?;
    if resource.api_version() != "builtin" {
        let object = Object::try_from(value)
            .map_err(|error| fail(ErrorKind::Plugin, format!("configuring {name}: {error}")))?;
        return Ok(Plugin::Function(Box::new(object)));
    }
    let at = resource.place.as_ref().map_or(At::default(), |place| At {
        line: place.line,
        column: 0,
    });
    let spanned = Spanned::of_value(&value, at);
    let mut decoder = Decoder::lenient(false);
    let plugin = read(&mut decoder, resource.kind(), &spanned);
    let Some(plugin) = plugin else {
        let mut errors = fail(
            ErrorKind::Plugin,
            format!(
                "there is no built-in generator or transformer `{}`",
                resource.kind()
            ),
        );
        errors[0].hint = crate::near::did_you_mean(resource.kind(), KINDS.iter().copied());
        return Err(errors);
    };
    if decoder.faults.is_empty() {
        return Ok(plugin);
    }
    Err(decoder
        .faults
        .into_iter()
        .map(|fault: Fault| {
            let mut error = BuildError::new(
                ErrorKind::Plugin,
                format!("configuring {name}: {}", fault.message),
            )
            .field(fault.field);
            error.hint = fault.hint;
            error.place.clone_from(&resource.place);
            error
        })
        .collect())
}

const KINDS: [&str; 18] = [
    "AnnotationsTransformer",
    "ConfigMapGenerator",
    "IAMPolicyGenerator",
    "ImageTagTransformer",
    "LabelTransformer",
    "NamespaceTransformer",
    "PatchJson6902Transformer",
    "PatchStrategicMergeTransformer",
    "PatchTransformer",
    "PrefixSuffixTransformer",
    "PrefixTransformer",
    "SuffixTransformer",
    "ReplicaCountTransformer",
    "SecretGenerator",
    "ValueAddTransformer",
    "HelmChartInflationGenerator",
    "ReplacementTransformer",
    "HashTransformer",
];

const FIELDS: &[&str] = &[
    "metadata",
    "annotations",
    "labels",
    "fieldSpecs",
    "imageTag",
    "unsetOnly",
    "setRoleBindingSubjects",
    "target",
    "path",
    "patch",
    "jsonOp",
    "options",
    "paths",
    "patches",
    "prefix",
    "suffix",
    "replica",
    "replacements",
    "value",
    "targets",
    "targetFilePath",
    "cloud",
    "kubernetesService",
    "serviceAccount",
];

fn read(d: &mut Decoder, kind: &str, value: &Spanned) -> Option<Plugin> {
    let f = d.fields(value, "", FIELDS)?;
    let specs = |d: &mut Decoder| d.list(&f, "fieldSpecs", parse::field_spec);
    Some(match kind {
        "ConfigMapGenerator" => {
            let mut args = parse::generator(d, value, "");
            named(d, &f, &mut args);
            Plugin::ConfigMapGenerator(args)
        }
        "SecretGenerator" => {
            let mut args = parse::secret_generator(d, value, "");
            named(d, &f, &mut args);
            Plugin::SecretGenerator(args)
        }
        "IAMPolicyGenerator" => Plugin::IamPolicyGenerator(iam_policy(d, &f)),
        "HelmChartInflationGenerator" => {
            let globals = parse::helm_globals(d, value, "");
            Plugin::HelmChartInflationGenerator(globals, Box::new(parse::helm_chart(d, value, "")))
        }
        "AnnotationsTransformer" => {
            let entries = d.pairs(&f, "annotations");
            Plugin::Annotations(entries, specs(d))
        }
        "LabelTransformer" => {
            let entries = d.pairs(&f, "labels");
            Plugin::Labels(entries, specs(d))
        }
        "ImageTagTransformer" => {
            let image = f
                .get("imageTag")
                .map(|value| parse::image(d, value, "imageTag"))
                .unwrap_or_default();
            Plugin::Images(image, specs(d))
        }
        "NamespaceTransformer" => Plugin::Namespace(namespace(d, &f)),
        "PatchJson6902Transformer" => Plugin::PatchJson6902(PatchConfig {
            path: d.str(&f, "path"),
            patch: d.str(&f, "jsonOp"),
            target: f
                .get("target")
                .map(|value| parse::selector(d, value, "target")),
            ..PatchConfig::default()
        }),
        "PatchStrategicMergeTransformer" => Plugin::PatchStrategicMerge {
            paths: d.strs(&f, "paths"),
            patches: d.str(&f, "patches"),
        },
        "PatchTransformer" => {
            let patch = parse::patch(d, value, "");
            Plugin::Patch(PatchConfig {
                path: patch.path.value,
                patch: patch.patch.value,
                target: patch.target,
                allow_name_change: patch.allow_name_change,
                allow_kind_change: patch.allow_kind_change,
            })
        }
        "PrefixSuffixTransformer" | "PrefixTransformer" | "SuffixTransformer" => {
            let config = AffixConfig {
                prefix: d.str(&f, "prefix"),
                suffix: d.str(&f, "suffix"),
                specs: f.get("fieldSpecs").is_some().then(|| specs(d)),
            };
            match kind {
                "PrefixTransformer" => Plugin::Prefix(config),
                "SuffixTransformer" => Plugin::Suffix(config),
                _ => Plugin::PrefixSuffix(config),
            }
        }
        "ReplacementTransformer" => {
            Plugin::Replacements(d.list(&f, "replacements", parse::replacement_field))
        }
        "ReplicaCountTransformer" => {
            let replica = f
                .get("replica")
                .map(|value| parse::replica(d, value, "replica"))
                .unwrap_or_default();
            Plugin::Replicas(replica, specs(d))
        }
        "ValueAddTransformer" => Plugin::ValueAdd(ValueAddConfig {
            value: d.str(&f, "value"),
            targets: d.list(&f, "targets", value_target),
            target_file: d.str(&f, "targetFilePath"),
        }),
        _ => return None,
    })
}

/// Reads a target of a `ValueAddTransformer`.
pub(crate) fn value_target(d: &mut Decoder, value: &Spanned, path: &str) -> ValueTarget {
    match d.fields(value, path, &["selector", "fieldPath", "filePathPosition"]) {
        Some(f) => ValueTarget {
            selector: f
                .get("selector")
                .map(|value| parse::selector(d, value, &f.path("selector"))),
            field_path: d.str(&f, "fieldPath"),
            position: d.int(&f, "filePathPosition"),
        },
        None => ValueTarget::default(),
    }
}

fn meta(d: &mut Decoder, f: &Fields<'_>, field: &'static str) -> Str {
    let names = &["name", "namespace"];
    let metadata = f
        .get("metadata")
        .and_then(|value| d.fields(value, "metadata", names));
    metadata.map(|m| d.str(&m, field)).unwrap_or_default()
}

fn named(d: &mut Decoder, f: &Fields<'_>, args: &mut GeneratorArgs) {
    if args.name.is_empty() {
        args.name = meta(d, f, "name");
    }
    if args.namespace.is_empty() {
        args.namespace = meta(d, f, "namespace");
    }
}

fn namespace(d: &mut Decoder, f: &Fields<'_>) -> NamespaceConfig {
    let mode = d.text(f, "setRoleBindingSubjects");
    let subjects = match mode.value.as_str() {
        "" | "defaultOnly" => Subjects::Default,
        "allServiceAccounts" => Subjects::ServiceAccounts,
        "none" => Subjects::None,
        other => {
            d.faults.push(Fault {
                field: "setRoleBindingSubjects".to_owned(),
                at: mode.at,
                message: format!("`{other}` is none of defaultOnly, none and allServiceAccounts"),
                hint: None,
            });
            Subjects::Default
        }
    };
    NamespaceConfig {
        namespace: meta(d, f, "namespace"),
        specs: d.list(f, "fieldSpecs", parse::field_spec),
        unset_only: d.bool(f, "unsetOnly"),
        subjects,
    }
}

fn iam_policy(d: &mut Decoder, f: &Fields<'_>) -> IamPolicy {
    let mut policy = IamPolicy {
        cloud: d.str(f, "cloud"),
        ..IamPolicy::default()
    };
    if let Some(service) = f
        .get("kubernetesService")
        .and_then(|value| d.fields(value, "kubernetesService", &["name", "namespace"]))
    {
        policy.service_name = d.str(&service, "name");
        policy.service_namespace = d.str(&service, "namespace");
    }
    if let Some(account) = f
        .get("serviceAccount")
        .and_then(|value| d.fields(value, "serviceAccount", &["name", "projectId"]))
    {
        policy.account_name = d.str(&account, "name");
        policy.account_project = d.str(&account, "projectId");
    }
    policy
}

/// Returns the object that the host's function gets or gives.
pub(crate) fn to_object(resource: &Resource) -> Result<Object, String> {
    let value: Value = resource
        .node
        .to_value()
        .map_err(|error| error.to_string())?;
    Object::try_from(value).map_err(|error| error.to_string())
}
