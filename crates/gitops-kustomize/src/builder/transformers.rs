//! The transformers that the fields of a kustomization stand for.

use std::sync::Arc;

use gitops_manifest::Str;

use super::{Accumulated, Builder, Built, Stop, Target};
use crate::config::Section;
use crate::error::{BuildError, ErrorKind, Place};
use crate::fieldspec::{FieldSpec, FieldSpecs, merge};
use crate::kustomization::decode::{Content, Decoder};
use crate::kustomization::{At, Label, Patch, Replacement, ReplacementField, Text, parse};
use crate::resource::Resource;
use crate::transform::names::Affix;
use crate::transform::namespace::{self, Subjects};
use crate::transform::{images, metadata, names, patches, replacements, replicas};

/// What the patches and replacements of a kustomization are, read.
#[derive(Default)]
pub(super) struct Read {
    strategic: Vec<Resource>,
    patches: Vec<(patches::Loaded, String)>,
    json: Vec<crate::jsonpatch::JsonPatch>,
    replacements: Vec<Found>,
}

/// A replacement with where it was found.
pub(crate) struct Found {
    replacement: Replacement,
    /// The file that it is in; `None` for the kustomization itself.
    pub(super) file: Option<Arc<str>>,
    field: String,
}

/// Quotes the path of a patch, or its text, of a long one the beginning.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 160;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("`{}…`", text[..end].replace('\n', "\\n")),
        None => format!("`{}`", text.replace('\n', "\\n")),
    }
}

/// Joins the path of a field and the name of one in it.
fn join(field: &str, name: &str) -> String {
    if field.is_empty() {
        name.to_owned()
    } else {
        format!("{field}.{name}")
    }
}

impl<'a> Builder<'a> {
    /// Runs the transformers that the fields of a kustomization stand for, in the order that kustomize keeps.
    #[allow(clippy::too_many_lines)]
    pub(super) fn built_in_transformers(
        &mut self,
        target: &Target<'a>,
        into: &mut Accumulated,
    ) -> Built<()> {
        let k = &target.kustomization;
        let origin = |kind: &str| {
            target
                .origin
                .as_ref()
                .map(|origin| Arc::new(origin.built_in(target.file_name, kind)))
        };
        let before = self.errors.len();
        let Read {
            strategic,
            patches: loaded,
            json,
            replacements: replacements_of_this,
        } = self.load(target)?;
        if !k.patches_strategic_merge.is_empty() {
            let at = k.patches_strategic_merge[0].at;
            patches::merge_all(&mut into.resources, &strategic, &self.world)
                .map_err(|errors| self.fail_all(target, at, "patchesStrategicMerge", errors))?;
            self.after_transformer(into, origin("PatchStrategicMergeTransformer").as_ref());
        }
        for (i, (patch, (loaded, source))) in k.patches.iter().zip(&loaded).enumerate() {
            let done = patches::apply(
                &mut into.resources,
                loaded,
                patch.target.as_ref(),
                source,
                &self.world,
            );
            if let Err(error) = done {
                self.fail_at(target, patch.at, format!("patches[{i}]"), error);
                continue;
            }
            self.after_transformer(into, origin("PatchTransformer").as_ref());
        }
        if self.errors.len() > before {
            return Err(Stop);
        }
        if !k.namespace.value.is_empty() {
            let options = namespace::Options {
                namespace: k.namespace.value.clone(),
                unset_only: false,
                subjects: Subjects::Default,
            };
            let specs = into.config.section(Section::Namespace).to_vec();
            namespace::set_namespace(&mut into.resources, &options, &specs, &self.world)
                .map_err(|error| self.fail_at(target, k.namespace.at, "namespace", error))?;
            self.after_transformer(into, origin("NamespaceTransformer").as_ref());
        }
        for (text, field, section, kind) in [
            (
                &k.name_prefix,
                "namePrefix",
                Section::NamePrefix,
                "PrefixTransformer",
            ),
            (
                &k.name_suffix,
                "nameSuffix",
                Section::NameSuffix,
                "SuffixTransformer",
            ),
        ] {
            if text.value.is_empty() {
                continue;
            }
            let affix = if section == Section::NamePrefix {
                Affix::Prefix(text.value.clone())
            } else {
                Affix::Suffix(text.value.clone())
            };
            let specs = into.config.section(section).to_vec();
            names::rename(&mut into.resources, &affix, &specs, &self.world)
                .map_err(|error| self.fail_at(target, text.at, field, error))?;
            self.after_transformer(into, origin(kind).as_ref());
        }
        if !k.labels.is_empty() || !k.common_labels.is_empty() {
            for (i, label) in k.labels.iter().enumerate() {
                let field = format!("labels[{i}]");
                let specs = self.label_specs(target, into, label, &field)?;
                self.set_labels(target, into, &label.pairs, specs, label.at, &field)?;
                self.after_transformer(into, origin("LabelTransformer").as_ref());
            }
            let specs = into.config.section(Section::CommonLabels).to_vec();
            let at = At::default();
            self.set_labels(target, into, &k.common_labels, specs, at, "commonLabels")?;
            self.after_transformer(into, origin("LabelTransformer").as_ref());
        }
        if !k.common_annotations.is_empty() {
            let specs = into.config.section(Section::CommonAnnotations);
            let mut specs = FieldSpecs::new(specs.to_vec());
            metadata::set_entries(
                &mut into.resources,
                &k.common_annotations,
                &mut specs,
                "setting annotations",
                &mut self.world,
            )
            .map_err(|error| self.fail_at(target, At::default(), "commonAnnotations", error))?;
            self.after_transformer(into, origin("AnnotationsTransformer").as_ref());
        }
        for (i, (patch, loaded)) in k.patches_json6902.iter().zip(&json).enumerate() {
            let field = format!("patchesJson6902[{i}]");
            self.apply_json(target, into, patch, loaded, &field)?;
            self.after_transformer(into, origin("PatchJson6902Transformer").as_ref());
        }
        for (i, replica) in k.replicas.iter().enumerate() {
            let specs = into.config.section(Section::Replicas).to_vec();
            let done = replicas::set_replicas(
                &mut into.resources,
                &replica.name,
                replica.count,
                &specs,
                &self.world,
            );
            if let Err(error) = done {
                self.fail_at(target, replica.at, format!("replicas[{i}]"), error);
            }
            self.after_transformer(into, origin("ReplicaCountTransformer").as_ref());
        }
        if self.errors.len() > before {
            return Err(Stop);
        }
        if !k.images.is_empty() {
            let specs = into.config.section(Section::Images);
            let mut specs = FieldSpecs::new(specs.to_vec());
            let rules: Vec<images::ImageRule<'_>> =
                k.images.iter().map(images::ImageRule::new).collect();
            images::set_images(&mut into.resources, &rules, &mut specs, &self.world)
                .map_err(|error| self.fail_at(target, k.images[0].at, "images", error))?;
            for _ in &k.images {
                self.after_transformer(into, origin("ImageTagTransformer").as_ref());
            }
        }
        if !k.replacements.is_empty() {
            self.apply_replacements(target, into, &replacements_of_this)?;
            self.after_transformer(into, origin("ReplacementTransformer").as_ref());
        }
        Ok(())
    }

    /// Reads the patches and replacements of a kustomization, all before the first is applied: what is wrong with one
    /// does not hide the others.
    pub(super) fn load(&mut self, target: &Target<'a>) -> Built<Read> {
        let k = &target.kustomization;
        let before = self.errors.len();
        let mut read = Read {
            strategic: self.strategic_patches(target, &k.patches_strategic_merge),
            ..Read::default()
        };
        for (i, patch) in k.patches.iter().enumerate() {
            let field = format!("patches[{i}]");
            if let Ok(patch) = self.load_patch(target, patch, &field) {
                read.patches.push(patch);
            }
        }
        for (i, patch) in k.patches_json6902.iter().enumerate() {
            let field = format!("patchesJson6902[{i}]");
            if let Ok(patch) = self.load_json_patch(target, patch, &field) {
                read.json.push(patch);
            }
        }
        for (i, entry) in k.replacements.iter().enumerate() {
            let field = format!("replacements[{i}]");
            if let Ok(list) = self.load_replacements(target, entry, &field) {
                read.replacements.extend(list);
            }
        }
        if self.errors.len() > before {
            Err(Stop)
        } else {
            Ok(read)
        }
    }

    /// Applies replacements.
    pub(crate) fn apply_replacements(
        &mut self,
        target: &Target<'_>,
        into: &mut Accumulated,
        list: &[Found],
    ) -> Built<()> {
        let before = self.errors.len();
        for found in list {
            let done = replacements::replace(&mut into.resources, &found.replacement, &self.world);
            let Err(mistake) = done else {
                continue;
            };
            let replacements::Mistake { error, part, at } = *mistake;
            let field = match &*part {
                "" => found.field.clone(),
                part => format!("{}.{part}", found.field),
            };
            let place = match &found.file {
                Some(file) => Place::new(file.clone(), at.line, at.column),
                None => target.place(at),
            };
            self.fail(target, error.at(place).field(field));
        }
        if self.errors.len() > before {
            Err(Stop)
        } else {
            Ok(())
        }
    }

    pub(super) fn set_labels(
        &mut self,
        target: &Target<'_>,
        into: &mut Accumulated,
        pairs: &[(Str, Str)],
        specs: Vec<FieldSpec>,
        at: At,
        field: &str,
    ) -> Built<()> {
        if pairs.is_empty() {
            return Ok(());
        }
        let mut specs = FieldSpecs::new(specs);
        metadata::set_entries(
            &mut into.resources,
            pairs,
            &mut specs,
            "setting labels",
            &mut self.world,
        )
        .map_err(|error| self.fail_at(target, at, field, error))
    }

    /// Returns the fields that an entry of `labels` works on.
    pub(super) fn label_specs(
        &mut self,
        target: &Target<'_>,
        into: &Accumulated,
        label: &Label,
        field: &str,
    ) -> Built<Vec<FieldSpec>> {
        let mut specs = label.fields.clone();
        let config = &into.config;
        let mut done = merge(&mut specs, config.section(Section::Labels));
        let mut add = |more: &[FieldSpec]| {
            if done.is_ok() {
                done = merge(&mut specs, more);
            }
        };
        if label.include_selectors {
            add(config.section(Section::CommonLabels));
        } else {
            if label.include_templates {
                add(config.section(Section::TemplateLabels));
            }
            if label.include_volume_claim_templates {
                add(config.section(Section::VolumeClaimTemplateLabels));
            }
            add(&[FieldSpec {
                gvk: crate::id::Gvk::default(),
                path: "metadata/labels".into(),
                create: true,
            }]);
        }
        match done {
            Ok(()) => Ok(specs),
            Err(conflict) => {
                let error = BuildError::new(ErrorKind::Kustomization, conflict.to_string());
                Err(self.fail_at(target, label.at, field, error))
            }
        }
    }

    pub(crate) fn strategic_patches(
        &mut self,
        target: &Target<'_>,
        entries: &[Text],
    ) -> Vec<Resource> {
        let mut out = Vec::new();
        for (i, entry) in entries.iter().enumerate() {
            let field = format!("patchesStrategicMerge[{i}]");
            // An entry is a patch or the path of a file with some.
            if let Ok(patches) = patches::strategic(&entry.value, &mut self.world) {
                out.extend(patches);
                continue;
            }
            let text = match target.loader.read_text(&entry.value) {
                Ok(text) => text,
                Err(error) => {
                    self.fail_at(target, entry.at, field, error);
                    continue;
                }
            };
            match patches::strategic(&text, &mut self.world) {
                Ok(patches) => out.extend(patches.into_iter().map(|mut patch| {
                    let name = target.loader.name_of(&entry.value);
                    patch.place = Some(Place::new(name, 0, 0));
                    patch
                })),
                Err(error) => {
                    let name = target.loader.name_of(&entry.value);
                    let place = Place::new(name, error.line, error.column);
                    let error = BuildError::new(ErrorKind::Patch, error.message)
                        .at(place)
                        .field(field);
                    self.fail(target, error);
                }
            }
        }
        out
    }

    /// Reads an entry of `patches`; returns it with the name that it has in messages.
    pub(crate) fn load_patch(
        &mut self,
        target: &Target<'_>,
        patch: &Patch,
        field: &str,
    ) -> Built<(patches::Loaded, String)> {
        let fail = |message: &str| BuildError::new(ErrorKind::Patch, message);
        let inline = patch.patch.value.trim();
        let (text, source, file) = match (inline.is_empty(), patch.path.value.is_empty()) {
            (true, true) => {
                let error = fail("a patch needs either `patch` or `path`");
                return Err(self.fail_at(target, patch.at, field, error));
            }
            (false, false) => {
                let error = fail("a patch has either `patch` or `path`, and not both");
                return Err(self.fail_at(target, patch.at, field, error));
            }
            (false, true) => (inline.to_owned(), quoted(inline), None),
            (true, false) => {
                let path = &patch.path;
                let text = target
                    .loader
                    .read_text(&path.value)
                    .map_err(|error| self.fail_at(target, path.at, join(field, "path"), error))?;
                (
                    text,
                    quoted(&path.value),
                    Some(target.loader.name_of(&path.value)),
                )
            }
        };
        let mut loaded = patches::load(&text, &source, file.as_ref(), &mut self.world)
            .map_err(|error| self.fail_at(target, patch.at, field, error))?;
        if let patches::Loaded::Strategic(patches) = &mut loaded {
            for one in patches {
                one.allow_name_change |= patch.allow_name_change;
                one.allow_kind_change |= patch.allow_kind_change;
                if patch.allow_name_change || patch.allow_kind_change {
                    // kustomize keeps these marks as annotations, and makes texts of all others on the way.
                    one.settle_annotations();
                }
            }
        }
        Ok((loaded, source))
    }

    pub(crate) fn load_json_patch(
        &mut self,
        target: &Target<'_>,
        patch: &Patch,
        field: &str,
    ) -> Built<crate::jsonpatch::JsonPatch> {
        let fail = |message: &str| BuildError::new(ErrorKind::Patch, message);
        if patch.target.as_ref().is_none_or(|t| t.name.is_empty()) {
            let error = fail("the name of the target is missing");
            return Err(self.fail_at(target, patch.at, join(field, "target"), error));
        }
        let inline = &patch.patch.value;
        let text = match (inline.is_empty(), patch.path.value.is_empty()) {
            (true, true) => {
                let error = fail("a JSON patch needs either `patch` or `path`");
                return Err(self.fail_at(target, patch.at, field, error));
            }
            (false, false) => {
                let error = fail("a JSON patch has either `patch` or `path`, and not both");
                return Err(self.fail_at(target, patch.at, field, error));
            }
            (false, true) => inline.to_string(),
            (true, false) => {
                let path = &patch.path;
                target
                    .loader
                    .read_text(&path.value)
                    .map_err(|error| self.fail_at(target, path.at, join(field, "path"), error))?
            }
        };
        let loaded = patches::json_patch(&text).and_then(|loaded| {
            if loaded.is_empty() {
                Err("it has no operation".to_owned())
            } else {
                Ok(loaded)
            }
        });
        loaded.map_err(|reason| {
            let source = if inline.is_empty() {
                &patch.path.value
            } else {
                inline
            };
            let source = quoted(source);
            let error = fail(&format!("the JSON patch {source} cannot be read: {reason}"));
            let error = if inline.is_empty() {
                error.at(Place::new(target.loader.name_of(&patch.path.value), 0, 0))
            } else {
                error
            };
            self.fail_at(target, patch.at, field, error)
        })
    }

    pub(crate) fn apply_json(
        &mut self,
        target: &Target<'_>,
        into: &mut Accumulated,
        patch: &Patch,
        loaded: &crate::jsonpatch::JsonPatch,
        field: &str,
    ) -> Built<()> {
        let selector = patch.target.clone().unwrap_or_default();
        let compiled = crate::selector::Compiled::new(&selector).map_err(|error| {
            let error = BuildError::new(ErrorKind::Patch, error.to_string());
            self.fail_at(target, patch.at, field, error)
        })?;
        let selected = compiled.select(&mut into.resources, &self.world.scope);
        patches::json_to_selected(
            &mut into.resources,
            &selected,
            loaded,
            false,
            &format!("for `{}`", selector.name),
            &self.world,
        )
        .map_err(|error| self.fail_at(target, patch.at, field, error))
    }

    /// Reads an entry of `replacements`: itself, or those of its file.
    pub(crate) fn load_replacements(
        &mut self,
        target: &Target<'_>,
        entry: &ReplacementField,
        field: &str,
    ) -> Built<Vec<Found>> {
        let replacement = &entry.replacement;
        if entry.path.value.is_empty() {
            return Ok(vec![Found {
                replacement: replacement.clone(),
                file: None,
                field: field.to_owned(),
            }]);
        }
        let named = replacement.source.is_some()
            || replacement.targets.as_ref().is_some_and(|t| !t.is_empty());
        if named {
            let error = BuildError::new(
                ErrorKind::Kustomization,
                "a replacement has either a path or a source and targets",
            );
            return Err(self.fail_at(target, entry.path.at, field, error));
        }
        let path = &entry.path;
        let settings = self.settings(target, &path.value, Some((field, path.at)))?;
        let mut decoder = Decoder::lenient(false);
        let list = match &settings.content {
            Content::List(items) => items
                .iter()
                .enumerate()
                .map(|(i, value)| parse::replacement(&mut decoder, value, &format!("[{i}]")))
                .collect(),
            Content::Map(_) => {
                vec![parse::replacement(&mut decoder, &settings, "")]
            }
            Content::Plain(_) => {
                let error = BuildError::new(
                    ErrorKind::Kustomization,
                    format!(
                        "`{}` holds neither a replacement nor a list of them",
                        path.value
                    ),
                );
                return Err(self.fail_at(target, path.at, field, error));
            }
        };
        self.faults(target, &path.value, decoder)?;
        let file = target.loader.name_of(&path.value);
        let found = |replacement| Found {
            replacement,
            file: Some(file.clone()),
            field: field.to_owned(),
        };
        Ok(list.into_iter().map(found).collect())
    }
}
