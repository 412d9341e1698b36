//! Running what resources configure: built-in generators and transformers, charts, and the host's functions.

use std::sync::Arc;

use gitops_manifest::{Object, Str, Value, tree, yaml};

use super::accumulate::custom_origin;
use super::{Accumulated, Builder, Built, Stop, Target};
use crate::error::{BuildError, ErrorKind, Place};
use crate::fieldspec::{FieldSpec, FieldSpecs};
use crate::function::{Function, FunctionCall};
use crate::generate::{self, Generated, Mistake};
use crate::helm::HelmRequest;
use crate::kustomization::decode::Decoder;
use crate::kustomization::{At, HelmChart, HelmGlobals, Image, Patch, Text};
use crate::node::Node;
use crate::origin::Origin;
use crate::plugin::{self, AffixConfig, IamPolicy, PatchConfig, Plugin, ValueAddConfig};
use crate::read;
use crate::resmap::ResMap;
use crate::resource::{Behavior, Resource};
use crate::transform::names::Affix;
use crate::transform::{images, metadata, names, namespace, patches, replicas, value_add};

fn text(value: &Str) -> Text {
    Text {
        value: value.clone(),
        at: At::default(),
    }
}

impl PatchConfig {
    fn entry(&self) -> Patch {
        Patch {
            path: text(&self.path),
            patch: text(&self.patch),
            target: self.target.clone(),
            allow_name_change: self.allow_name_change,
            allow_kind_change: self.allow_kind_change,
            at: At::default(),
        }
    }
}

impl<'a> Builder<'a> {
    /// Notes an error of a configured generator or transformer.
    fn plugin_error(
        &mut self,
        target: &Target<'_>,
        config: &Resource,
        mut error: BuildError,
    ) -> Stop {
        if error.place.is_none() {
            error.place.clone_from(&config.place);
        }
        error.message = format!("{} `{}`: {}", config.kind(), config.name(), error.message);
        self.stop(target, error)
    }

    /// Does something for a configured transformer; mistakes without a line of their own get its place and name.
    fn of_plugin<T>(
        &mut self,
        target: &Target<'_>,
        config: &Resource,
        act: impl FnOnce(&mut Self) -> Built<T>,
    ) -> Built<T> {
        let before = self.errors.len();
        let done = act(self);
        let Some(place) = &config.place else {
            return done;
        };
        let file = target.file();
        for error in &mut self.errors[before..] {
            let unknown = |place: &Place| place.line == 0 && place.file == file;
            if error.place.as_ref().is_none_or(unknown) {
                error.place = Some(place.clone());
                error.message = format!("{} `{}`: {}", config.kind(), config.name(), error.message);
            }
        }
        done
    }

    fn stop(&mut self, target: &Target<'_>, mut error: BuildError) -> Stop {
        error.chain = target.loader.visited();
        self.errors.push(error);
        Stop
    }

    pub(crate) fn run_generator(
        &mut self,
        target: &Target<'a>,
        into: &mut Accumulated,
        config: &Resource,
        plugin: Plugin,
    ) -> Built<()> {
        let origin = target.origin.as_ref().map(|_| {
            let from = config.origin.as_deref().cloned().unwrap_or_default();
            Arc::new(custom_origin(&from, config))
        });
        let generated = match plugin {
            Plugin::ConfigMapGenerator(args) => {
                vec![self.generated(target, config, Generated::ConfigMap, &args)?]
            }
            Plugin::SecretGenerator(args) => {
                vec![self.generated(target, config, Generated::Secret, &args)?]
            }
            Plugin::IamPolicyGenerator(policy) => match iam_policy(&policy) {
                Ok(resource) => vec![resource],
                Err(error) => return Err(self.plugin_error(target, config, error)),
            },
            Plugin::HelmChartInflationGenerator(globals, chart) => {
                return self.helm_chart(
                    target,
                    into,
                    &globals,
                    &chart,
                    origin.as_ref(),
                    "generators",
                );
            }
            Plugin::Function(function) => {
                let output = self.function(target, config, &function, None)?;
                let mut made = from_objects(output);
                for resource in &mut made {
                    if let Err(error) = generator_options(resource) {
                        return Err(self.plugin_error(target, config, error));
                    }
                }
                made
            }
            _ => {
                let error = BuildError::new(ErrorKind::Plugin, "it is no generator");
                return Err(self.plugin_error(target, config, error));
            }
        };
        for mut resource in generated {
            if resource.origin.is_none() {
                resource.origin.clone_from(&origin);
            }
            self.absorb(target, into, resource, At::default(), "generators")?;
        }
        Ok(())
    }

    fn generated(
        &mut self,
        target: &Target<'_>,
        config: &Resource,
        what: Generated,
        args: &crate::kustomization::GeneratorArgs,
    ) -> Built<Resource> {
        let made = generate::generate(what, args, &target.loader, self.options.environment);
        made.map_err(|Mistake { error, .. }| self.plugin_error(target, config, error))
    }

    /// Lets the host run a function.
    fn function(
        &mut self,
        target: &Target<'_>,
        config: &Resource,
        object: &Object,
        input: Option<Vec<Object>>,
    ) -> Built<Vec<Object>> {
        let refused =
            |message: &str, hint: &str| BuildError::new(ErrorKind::Unsupported, message).hint(hint);
        let error = match self.options.functions {
            None => refused(
                "it is a function, and this build has nothing that runs functions",
                "give the build a FunctionRunner",
            ),
            Some(_) if !self.options.enable_functions => refused(
                "it is a function, and functions are not enabled",
                "set enable_functions (--enable-alpha-plugins)",
            ),
            Some(runner) => {
                let done = Function::of(object).and_then(|function| {
                    runner.run(&FunctionCall {
                        config: object,
                        function: function.as_ref(),
                        is_generator: input.is_none(),
                        input: input.unwrap_or_default(),
                        folder: target.loader.root(),
                        repository: target.loader.repository(),
                    })
                });
                match done {
                    Ok(output) => return Ok(output),
                    Err(reason) => BuildError::new(ErrorKind::Plugin, reason),
                }
            }
        };
        Err(self.plugin_error(target, config, error))
    }

    #[allow(clippy::too_many_lines)]
    pub(crate) fn run_transformer(
        &mut self,
        target: &Target<'a>,
        into: &mut Accumulated,
        config: &Resource,
        plugin: Plugin,
    ) -> Built<()> {
        let done = match plugin {
            Plugin::Annotations(entries, specs) => {
                self.set_entries(into, &entries, specs, "setting annotations")
            }
            Plugin::Labels(entries, specs) => {
                self.set_entries(into, &entries, specs, "setting labels")
            }
            Plugin::Images(image, specs) => self.set_image(into, &image, specs),
            Plugin::Namespace(ns) => {
                let options = namespace::Options {
                    namespace: ns.namespace,
                    unset_only: ns.unset_only,
                    subjects: ns.subjects,
                };
                namespace::set_namespace(&mut into.resources, &options, &ns.specs, &self.world)
            }
            Plugin::PatchJson6902(patch) => {
                let entry = patch.entry();
                return self.of_plugin(target, config, |builder| {
                    let loaded = builder.load_json_patch(target, &entry, "")?;
                    builder.apply_json(target, into, &entry, &loaded, "")
                });
            }
            Plugin::PatchStrategicMerge { paths, patches } => {
                return self.merge_patches(target, into, config, &paths, &patches);
            }
            Plugin::Patch(patch) => {
                let entry = patch.entry();
                let (loaded, source) = self.of_plugin(target, config, |builder| {
                    builder.load_patch(target, &entry, "")
                })?;
                let target_of = entry.target.as_ref();
                patches::apply(
                    &mut into.resources,
                    &loaded,
                    target_of,
                    &source,
                    &self.world,
                )
            }
            Plugin::Prefix(affix) => self.rename(into, affix, true, false),
            Plugin::Suffix(affix) => self.rename(into, affix, false, true),
            Plugin::PrefixSuffix(affix) => self.rename(into, affix, true, true),
            Plugin::Replacements(entries) => {
                return self.of_plugin(target, config, |builder| {
                    let mut list = Vec::new();
                    for (i, entry) in entries.iter().enumerate() {
                        let field = format!("replacements[{i}]");
                        list.extend(builder.load_replacements(target, entry, &field)?);
                    }
                    for found in &mut list {
                        // What stands in the configuration is in its file.
                        if found.file.is_none() {
                            found.file = config.place.as_ref().map(|place| place.file.clone());
                        }
                    }
                    builder.apply_replacements(target, into, &list)
                });
            }
            Plugin::Replicas(replica, specs) => replicas::set_replicas(
                &mut into.resources,
                &replica.name,
                replica.count,
                &specs,
                &self.world,
            ),
            Plugin::ValueAdd(add) => return self.value_add(target, into, config, add),
            Plugin::Function(function) => {
                return self.transform_by_function(target, into, config, &function);
            }
            generator => {
                debug_assert!(generator.is_generator(), "all transformers are above");
                Err(BuildError::new(
                    ErrorKind::Plugin,
                    "it is a generator and no transformer",
                ))
            }
        };
        done.map_err(|error| self.plugin_error(target, config, error))
    }

    fn set_entries(
        &mut self,
        into: &mut Accumulated,
        entries: &[(Str, Str)],
        specs: Vec<FieldSpec>,
        what: &str,
    ) -> Result<(), BuildError> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut specs = FieldSpecs::new(specs);
        let world = &mut self.world;
        metadata::set_entries(&mut into.resources, entries, &mut specs, what, world)
    }

    fn set_image(
        &mut self,
        into: &mut Accumulated,
        image: &Image,
        specs: Vec<FieldSpec>,
    ) -> Result<(), BuildError> {
        let rules = [images::ImageRule::new(image)];
        let mut specs = FieldSpecs::new(specs);
        images::set_images(&mut into.resources, &rules, &mut specs, &self.world)
    }

    fn rename(
        &mut self,
        into: &mut Accumulated,
        affix: AffixConfig,
        prefix: bool,
        suffix: bool,
    ) -> Result<(), BuildError> {
        let Some(specs) = affix.specs else {
            return Err(BuildError::new(ErrorKind::Plugin, "fieldSpecs are missing"));
        };
        let both = [
            (prefix, Affix::Prefix(affix.prefix)),
            (suffix, Affix::Suffix(affix.suffix)),
        ];
        for (wanted, affix) in both {
            if wanted {
                names::rename(&mut into.resources, &affix, &specs, &self.world)?;
            }
        }
        Ok(())
    }

    fn merge_patches(
        &mut self,
        target: &Target<'_>,
        into: &mut Accumulated,
        config: &Resource,
        paths: &[Str],
        inline: &Str,
    ) -> Built<()> {
        let before = self.errors.len();
        let fail = |message: String| BuildError::new(ErrorKind::Patch, message);
        if paths.is_empty() && inline.is_empty() {
            let error = fail("it has neither paths nor patches".to_owned());
            return Err(self.plugin_error(target, config, error));
        }
        let entries: Vec<Text> = paths.iter().map(text).collect();
        let mut loaded = self.strategic_patches(target, &entries);
        if self.errors.len() > before {
            return Err(Stop);
        }
        if !inline.is_empty() {
            match patches::strategic(inline, &mut self.world) {
                Ok(more) => loaded.extend(more),
                Err(error) => {
                    let error = fail(format!("its patches cannot be read: {}", error.message));
                    return Err(self.plugin_error(target, config, error));
                }
            }
        }
        if loaded.is_empty() {
            let error = fail("its patches are empty".to_owned());
            return Err(self.plugin_error(target, config, error));
        }
        patches::merge_all(&mut into.resources, &loaded, &self.world).map_err(|errors| {
            for error in errors {
                self.plugin_error(target, config, error);
            }
            Stop
        })
    }

    fn value_add(
        &mut self,
        target: &Target<'_>,
        into: &mut Accumulated,
        config: &Resource,
        mut add: ValueAddConfig,
    ) -> Built<()> {
        if !add.target_file.is_empty() {
            let path = add.target_file.clone();
            let read = target.loader.read_text(&path).and_then(|text| {
                read::settings(&text)
                    .map_err(|error| BuildError::new(ErrorKind::Syntax, error.message))
            });
            let settings = match read {
                Ok(settings) => settings,
                Err(error) => return Err(self.plugin_error(target, config, error)),
            };
            let mut decoder = Decoder::lenient(false);
            if let Some(f) = decoder.fields(&settings, "", &["targets"]) {
                let more = decoder.list(&f, "targets", plugin::value_target);
                add.targets.extend(more);
            }
        }
        let fail = |message: &str| BuildError::new(ErrorKind::Plugin, message);
        let error = if add.targets.is_empty() {
            Some(fail("it has no target"))
        } else if add.targets.iter().any(|t| t.field_path.is_empty()) {
            Some(fail("a target has no fieldPath"))
        } else if add.targets.iter().any(|t| t.position < 0) {
            Some(fail("a filePathPosition is negative"))
        } else {
            None
        };
        if let Some(error) = error {
            return Err(self.plugin_error(target, config, error));
        }
        let trimmed = add.value.trim();
        let value: Str = if trimmed.is_empty() {
            let root = target.loader.root();
            root.rsplit('/').next().unwrap_or(root).into()
        } else {
            trimmed.into()
        };
        value_add::add(&mut into.resources, &value, &add.targets, &self.world)
            .map_err(|error| self.plugin_error(target, config, error))
    }

    /// Sends all resources through a function. Those that come back under their old id keep their history.
    fn transform_by_function(
        &mut self,
        target: &Target<'_>,
        into: &mut Accumulated,
        config: &Resource,
        function: &Object,
    ) -> Built<()> {
        let mut input = Vec::new();
        for resource in into.resources.as_slice() {
            match plugin::to_object(resource) {
                Ok(object) => input.push(object),
                Err(reason) => {
                    let error = BuildError::new(ErrorKind::Plugin, reason);
                    return Err(self.plugin_error(target, config, error));
                }
            }
        }
        let output = self.function(target, config, function, Some(input))?;
        let scope = self.world.scope.clone();
        let mut fresh = rustc_hash::FxHashMap::default();
        let mut order = Vec::with_capacity(output.len());
        for resource in from_objects(output) {
            let id = resource.id(&scope).to_owned_id();
            let shown = id.as_id().to_string();
            if fresh.insert(id.clone(), resource).is_some() {
                let error = BuildError::new(
                    ErrorKind::Conflict,
                    format!("it gives two resources with the id {shown}"),
                );
                return Err(self.plugin_error(target, config, error));
            }
            order.push(id);
        }
        // What is there stays where it is; what is not given back goes; what is new comes last.
        let mut kept = ResMap::default();
        let mut rest = Vec::new();
        for known in std::mem::take(&mut into.resources).into_vec() {
            if let Some(resource) = fresh.remove(&known.id(&scope).to_owned_id()) {
                rest.push(Resource {
                    node: resource.node,
                    ..known
                });
            }
        }
        rest.extend(order.iter().filter_map(|id| fresh.remove(id)));
        for resource in rest {
            kept.append(resource, &scope).map_err(|taken| {
                let id = taken.0.id(&scope).to_string();
                let error = BuildError::new(
                    ErrorKind::Conflict,
                    format!("there is a resource with the id {id} already"),
                );
                self.plugin_error(target, config, error)
            })?;
        }
        into.resources = kept;
        Ok(())
    }

    /// Renders a chart.
    pub(crate) fn helm_chart(
        &mut self,
        target: &Target<'a>,
        into: &mut Accumulated,
        globals: &HelmGlobals,
        chart: &HelmChart,
        origin: Option<&Arc<Origin>>,
        field: &str,
    ) -> Built<()> {
        let refused =
            |message: &str, hint: &str| BuildError::new(ErrorKind::Unsupported, message).hint(hint);
        let fail_here = |builder: &mut Self, error: BuildError| {
            let place = crate::error::Place::new(
                target.loader.name_of(target.file_name),
                chart.at.line,
                chart.at.column,
            );
            builder.stop(target, error.at(place).field(field))
        };
        if !self.options.enable_helm {
            let error = refused("charts are not enabled", "set enable_helm (--enable-helm)");
            return Err(fail_here(self, error));
        }
        let Some(helm) = self.options.helm else {
            let error = refused(
                "this build has nothing that renders charts",
                "give the build a HelmRenderer",
            );
            return Err(fail_here(self, error));
        };
        let rendered = self
            .helm_request(target, globals, chart)
            .and_then(|request| {
                helm.render(target.loader.tree(), &request)
                    .map_err(|reason| {
                        BuildError::new(
                            ErrorKind::Plugin,
                            format!("rendering the chart `{}`: {reason}", chart.name),
                        )
                    })
            })
            .and_then(|text| {
                read::resources(&text, &mut Vec::new()).map_err(|error| {
                    BuildError::new(
                        ErrorKind::Plugin,
                        format!(
                            "reading what the chart `{}` gives: {}",
                            chart.name, error.message
                        ),
                    )
                })
            });
        let documents = match rendered {
            Ok(documents) => documents,
            Err(error) => return Err(fail_here(self, error)),
        };
        for document in documents {
            let mut resource = Resource::new(document.node, None);
            resource.from_helm = true;
            resource.origin = origin.cloned();
            self.absorb(target, into, resource, chart.at, field)?;
        }
        Ok(())
    }

    fn helm_request(
        &self,
        target: &Target<'_>,
        globals: &HelmGlobals,
        chart: &HelmChart,
    ) -> Result<HelmRequest, BuildError> {
        let fail = |message: String| BuildError::new(ErrorKind::Plugin, message);
        if chart.name.is_empty() {
            return Err(fail("the name of the chart is missing".to_owned()));
        }
        for (what, name) in [
            ("name of the chart", &chart.name),
            ("releaseName", &chart.release_name),
        ] {
            if name.starts_with('-') {
                return Err(fail(format!("the {what} must not begin with `-`: {name}")));
            }
        }
        let home = match globals.chart_home.as_str() {
            "" => "charts",
            home => home,
        };
        let folder = if chart.version.is_empty() || chart.repo.is_empty() {
            format!("{home}/{}", chart.name)
        } else {
            format!("{home}/{}-{}/{}", chart.name, chart.version, chart.name)
        };
        let in_tree = |path: &str| {
            tree::join(target.loader.root(), path)
                .map_err(|error| BuildError::new(ErrorKind::Restricted, error.to_string()))
        };
        let namespace = [
            &chart.namespace,
            &target.kustomization.namespace.value,
            target.helm_namespace(),
        ]
        .into_iter()
        .find(|namespace| !namespace.is_empty())
        .cloned()
        .unwrap_or_default();
        let own = |given: &str, own: &Str| {
            if given.is_empty() {
                own.to_string()
            } else {
                given.to_owned()
            }
        };
        let api_versions = if self.options.helm_api_versions.is_empty() {
            chart.api_versions.iter().map(Str::to_string).collect()
        } else {
            self.options.helm_api_versions.clone()
        };
        Ok(HelmRequest {
            name: chart.name.to_string(),
            chart: in_tree(&folder)?,
            version: chart.version.to_string(),
            repo: chart.repo.to_string(),
            release_name: chart.release_name.to_string(),
            name_template: chart.name_template.to_string(),
            namespace: namespace.to_string(),
            values: self.helm_values(target, chart, &folder)?,
            include_crds: chart.include_crds,
            skip_hooks: chart.skip_hooks,
            skip_tests: chart.skip_tests,
            api_versions,
            kube_version: own(&self.options.helm_kube_version, &chart.kube_version),
        })
    }

    /// Merges the values of a chart: its file or the one that is named, the inline values, the additional files.
    #[allow(clippy::unused_self)]
    fn helm_values(
        &self,
        target: &Target<'_>,
        chart: &HelmChart,
        folder: &str,
    ) -> Result<Value, BuildError> {
        let read = |path: &str| -> Result<Value, BuildError> {
            let text = target.loader.read_text(path)?;
            let options = yaml::ParseOptions::new(yaml::Profile::Sigs);
            yaml::parse_one(&text, &options)
                .map_err(|error| BuildError::new(ErrorKind::Syntax, format!("`{path}`: {error}")))
        };
        let own = format!("{folder}/values.yaml");
        let file = if chart.values_file.is_empty() {
            let exists = target.loader.kind(&own).is_some();
            if exists { read(&own)? } else { Value::Null }
        } else {
            read(&chart.values_file)?
        };
        let inline = chart.values_inline.clone().unwrap_or_default();
        let has_inline = inline.as_object().is_some_and(|map| !map.is_empty());
        let mut values = match (has_inline, chart.values_merge.as_str()) {
            (false, _) => file,
            (true, "" | "override") => overlay(file, &inline),
            (true, "merge") => overlay(inline, &file),
            (true, "replace") => inline,
            (true, other) => {
                return Err(BuildError::new(
                    ErrorKind::Plugin,
                    format!("valuesMerge is `{other}`"),
                )
                .hint("it must be merge, override or replace"));
            }
        };
        for path in &chart.additional_values_files {
            values = overlay(values, &read(path)?);
        }
        Ok(values)
    }
}

/// Puts one tree of values over another: maps are merged, null takes away, all else is replaced.
fn overlay(mut base: Value, over: &Value) -> Value {
    if let (Value::Object(base), Value::Object(over)) = (&mut base, over) {
        for (key, value) in over {
            if value.is_null() {
                base.remove(key);
                continue;
            }
            let old = base.remove(key).unwrap_or_default();
            base.insert(key.clone(), overlay(old, value));
        }
        return base.clone().into();
    }
    if over.is_null() { base } else { over.clone() }
}

fn from_objects(objects: Vec<Object>) -> Vec<Resource> {
    objects
        .into_iter()
        .map(|object| Resource::new(Node::from_value(&object.into()), None))
        .collect()
}

/// Takes over what a function says of a resource that it makes: whether its name gets a hash, and what becomes of one
/// that is there.
fn generator_options(resource: &mut Resource) -> Result<(), BuildError> {
    const HASH: &str = "kustomize.config.k8s.io/needs-hash";
    const BEHAVIOR: &str = "kustomize.config.k8s.io/behavior";
    let mut annotations = resource.meta_map("annotations");
    let find = |name: &str| {
        let entry = annotations.iter().find(|(key, _)| key == name);
        entry.map(|(_, text)| text.clone())
    };
    let (hash, behavior) = (find(HASH), find(BEHAVIOR));
    if let Some(text) = hash {
        resource.needs_hash |= match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
            "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
            other => {
                return Err(BuildError::new(
                    ErrorKind::Plugin,
                    format!("the annotation {HASH} is `{other}` and neither true nor false"),
                ));
            }
        };
    }
    resource.behavior = Some(Behavior::parse(behavior.as_deref().unwrap_or_default()));
    annotations.retain(|(key, _)| key != HASH && key != BEHAVIOR);
    resource.set_meta_map("annotations", annotations);
    Ok(())
}

fn iam_policy(policy: &IamPolicy) -> Result<Resource, BuildError> {
    if policy.cloud != "gke" {
        return Err(BuildError::new(
            ErrorKind::Plugin,
            format!("the cloud `{}` is not supported", policy.cloud),
        )
        .hint("gke is"));
    }
    let mut text = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  annotations:\n    iam.gke.io/gcp-service-account: {}@{}.iam.gserviceaccount.com\n  name: {}\n",
        policy.account_name, policy.account_project, policy.service_name
    );
    if !policy.service_namespace.is_empty() {
        text.push_str(&format!("  namespace: {}\n", policy.service_namespace));
    }
    let fail = |message: String| BuildError::new(ErrorKind::Plugin, message);
    let mut documents =
        read::resources(&text, &mut Vec::new()).map_err(|error| fail(error.message))?;
    match documents.pop() {
        Some(document) => Ok(Resource::new(document.node, None)),
        None => Err(fail("it makes nothing".to_owned())),
    }
}
