use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use gitops::kustomize::edit::{
    GeneratorEdit, GeneratorKind, ImageEdit, KustomizationFile, PatchEdit,
};

use crate::Outcome;
use crate::args::{Edit, EditCommand, EditEntry, Generator, Pair, PatchArgs, SetEntry};

pub(crate) fn run(args: &Edit) -> Outcome {
    let path = find(&args.folder)?;
    let before = fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut file = KustomizationFile::parse(&before)?;
    match &args.command {
        EditCommand::Set { what } => set(&mut file, what)?,
        EditCommand::Add { what } => add(&mut file, what)?,
        EditCommand::Remove { what } => remove(&mut file, what)?,
        EditCommand::Fix => {
            let folder = args.folder.clone();
            for fix in file.fix(|entry| folder.join(entry).is_file())? {
                eprintln!("fixed: {fix:?}");
            }
        }
    }
    if file.as_str() != before {
        let temporary = path.with_extension("new");
        fs::write(&temporary, file.as_str())?;
        fs::rename(&temporary, &path)?;
    }
    Ok(0)
}

fn find(folder: &Path) -> Result<PathBuf, String> {
    ["kustomization.yaml", "kustomization.yml", "Kustomization"]
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| format!("{} holds no kustomization.yaml", folder.display()))
}

fn pair(text: &str) -> Result<(&str, &str), String> {
    text.split_once([':', '='])
        .ok_or_else(|| format!("{text:?} is no key:value"))
}

/// Goes over `key:value` arguments, separated by blanks or commas as in kustomize.
fn pairs(texts: &[String]) -> impl Iterator<Item = &str> {
    texts
        .iter()
        .flat_map(|text| text.split(','))
        .filter(|text| !text.is_empty())
}

fn set(file: &mut KustomizationFile, what: &SetEntry) -> Result<(), Box<dyn Error>> {
    match what {
        SetEntry::Image { images } => {
            for image in images {
                file.set_image(&ImageEdit::parse(image)?)?;
            }
        }
        SetEntry::Namespace { namespace } => file.set_namespace(namespace)?,
        SetEntry::Nameprefix { prefix } => file.set_name_prefix(prefix)?,
        SetEntry::Namesuffix { suffix } => file.set_name_suffix(suffix)?,
        SetEntry::Replicas { replicas } => {
            for replica in replicas {
                let (name, count) = replica
                    .split_once('=')
                    .ok_or_else(|| format!("{replica:?} is no name=count"))?;
                let count = count
                    .parse()
                    .map_err(|_| format!("{count:?} is no count"))?;
                file.set_replicas(name, count)?;
            }
        }
        SetEntry::Label(Pair { pairs: texts, .. }) => {
            for text in pairs(texts) {
                let (key, value) = pair(text)?;
                file.set_label(key, value)?;
            }
        }
        SetEntry::Annotation(Pair { pairs: texts, .. }) => {
            for text in pairs(texts) {
                let (key, value) = pair(text)?;
                file.set_annotation(key, value)?;
            }
        }
    }
    Ok(())
}

fn patch(args: &PatchArgs) -> PatchEdit {
    let mut edit = PatchEdit::default();
    edit.path = args.path.clone().unwrap_or_default();
    edit.patch = args.patch.clone().unwrap_or_default();
    for (key, value) in [
        ("group", &args.group),
        ("version", &args.version),
        ("kind", &args.kind),
        ("name", &args.name),
        ("namespace", &args.namespace),
        ("annotationSelector", &args.annotation_selector),
        ("labelSelector", &args.label_selector),
    ] {
        if let Some(value) = value {
            edit.target.push((key.to_owned(), value.clone()));
        }
    }
    edit
}

fn generator(args: &Generator) -> GeneratorEdit {
    let mut edit = GeneratorEdit::default();
    edit.name.clone_from(&args.name);
    edit.namespace = args.namespace.clone().unwrap_or_default();
    edit.behavior = args.behavior.clone().unwrap_or_default();
    edit.literals.clone_from(&args.from_literal);
    edit.files.clone_from(&args.from_file);
    edit.envs.clone_from(&args.from_env_file);
    edit.secret_type = args.r#type.clone().unwrap_or_default();
    edit.disable_name_suffix_hash = args.disable_name_suffix_hash;
    edit
}

fn add(file: &mut KustomizationFile, what: &EditEntry) -> Result<(), Box<dyn Error>> {
    match what {
        EditEntry::Resource { paths } => {
            for path in paths {
                file.add_resource(path)?;
            }
        }
        EditEntry::Component { paths } => {
            for path in paths {
                file.add_component(path)?;
            }
        }
        EditEntry::Patch(args) => file.add_patch(&patch(args))?,
        EditEntry::Label(args) => {
            for text in pairs(&args.pairs) {
                let (key, value) = pair(text)?;
                file.add_label(key, value, !args.without_selector)?;
            }
        }
        EditEntry::Annotation(args) => {
            for text in pairs(&args.pairs) {
                let (key, value) = pair(text)?;
                file.add_annotation(key, value)?;
            }
        }
        EditEntry::Configmap(args) => {
            file.add_generator(GeneratorKind::ConfigMap, &generator(args))?;
        }
        EditEntry::Secret(args) => file.add_generator(GeneratorKind::Secret, &generator(args))?,
    }
    Ok(())
}

fn remove(file: &mut KustomizationFile, what: &EditEntry) -> Result<(), Box<dyn Error>> {
    match what {
        EditEntry::Resource { paths } => {
            for path in paths {
                file.remove_resource(path)?;
            }
        }
        EditEntry::Component { paths } => {
            for path in paths {
                file.remove_component(path)?;
            }
        }
        EditEntry::Patch(args) => file.remove_patch(&patch(args))?,
        EditEntry::Label(args) => {
            for key in pairs(&args.pairs) {
                file.remove_label(key)?;
            }
        }
        EditEntry::Annotation(args) => {
            for key in pairs(&args.pairs) {
                file.remove_annotation(key)?;
            }
        }
        EditEntry::Configmap(args) => {
            let namespace = args.namespace.as_deref().unwrap_or_default();
            file.remove_generator(GeneratorKind::ConfigMap, &args.name, namespace)?;
        }
        EditEntry::Secret(args) => {
            let namespace = args.namespace.as_deref().unwrap_or_default();
            file.remove_generator(GeneratorKind::Secret, &args.name, namespace)?;
        }
    }
    Ok(())
}
