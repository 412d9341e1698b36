use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use gitops::kustomize::edit::{
    EditError, GeneratorEdit, GeneratorKind, ImageEdit, KustomizationFile, LabelEdit, PatchEdit,
    PathField,
};
use gitops::manifest::DirTree;

use super::build::repository_root;
use crate::Outcome;
use crate::args::{
    AddEntry, Edit, EditCommand, Generator, Options, Pairs, PatchArgs, RemoveEntry, SetEntry,
    SetGenerator,
};

pub(crate) fn run(args: &Edit) -> Outcome {
    let path = find(&args.folder)?;
    let before = fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut file = KustomizationFile::parse(&before)?;
    match &args.command {
        EditCommand::Set { what } => set(&mut file, what)?,
        EditCommand::Add { what } => add(&mut file, &args.folder, what)?,
        EditCommand::Remove { what } => remove(&mut file, what)?,
        EditCommand::Fix { vars } => fix(&mut file, &args.folder, *vars)?,
    }
    if file.as_str() != before {
        replace(&path, file.as_str())?;
    }
    Ok(0)
}

/// Writes a file beside the old one, and puts it in its place.
fn replace(path: &Path, text: &str) -> Result<(), String> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    fs::write(&temporary, text)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn fix(file: &mut KustomizationFile, folder: &Path, vars: bool) -> Result<(), Box<dyn Error>> {
    for fix in file.fix(|entry| folder.join(entry).is_file())? {
        eprintln!("fixed: {fix:?}");
    }
    if !vars {
        return Ok(());
    }
    let folder = fs::canonicalize(folder)?;
    let root = repository_root(&folder);
    let tree = DirTree::open(root)?;
    let path = folder.strip_prefix(root)?.display().to_string();
    for (path, text) in file.convert_vars(&tree, &path)? {
        replace(&root.join(&path), &text)?;
        eprintln!("changed: {path}");
    }
    Ok(())
}

fn find(folder: &Path) -> Result<PathBuf, String> {
    ["kustomization.yaml", "kustomization.yml", "Kustomization"]
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| format!("{} holds no kustomization.yaml", folder.display()))
}

/// Goes over `key:value` arguments. A key alone has an empty value.
fn pairs(pairs: &Pairs) -> Result<Vec<(&str, &str)>, String> {
    let pair = |text| match str::split_once(text, [':', '=']).unwrap_or((text, "")) {
        ("", _) => Err(format!("{text:?} has no key: it is no key:value")),
        pair => Ok(pair),
    };
    pairs.pairs.iter().map(|text| pair(text)).collect()
}

/// Goes over labels: as there is no comma in one, those of an argument are separated by them, as the help of kustomize
/// has it.
fn label_pairs(texts: &Pairs) -> Result<Vec<(&str, &str)>, String> {
    let mut out = Vec::new();
    for (key, value) in pairs(texts)? {
        let mut parts = value.split(',');
        out.push((key, parts.next().unwrap_or_default()));
        for part in parts.filter(|part| !part.is_empty()) {
            let pair = part
                .split_once([':', '='])
                .ok_or_else(|| format!("{part:?} is no key:value"))?;
            out.push(pair);
        }
    }
    Ok(out)
}

fn options(options: &Options) -> Vec<&str> {
    options.options.iter().map(String::as_str).collect()
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
        SetEntry::Label(texts) => {
            for (key, value) in label_pairs(texts)? {
                file.set_label(key, value)?;
            }
        }
        SetEntry::Annotation(texts) => {
            for (key, value) in pairs(texts)? {
                file.set_annotation(key, value)?;
            }
        }
        SetEntry::Buildmetadata(texts) => file.set_build_metadata(&options(texts))?,
        SetEntry::Configmap(args) => set_generator(file, GeneratorKind::ConfigMap, args)?,
        SetEntry::Secret(args) => set_generator(file, GeneratorKind::Secret, args)?,
    }
    Ok(())
}

fn set_generator(
    file: &mut KustomizationFile,
    kind: GeneratorKind,
    args: &SetGenerator,
) -> Result<(), Box<dyn Error>> {
    if args.from_literal.is_empty() && args.new_namespace.is_empty() {
        return Err("at least one of --from-literal and --new-namespace must be given".into());
    }
    let literals: Vec<&str> = args.from_literal.iter().map(String::as_str).collect();
    file.set_generator(
        kind,
        &args.name,
        &args.namespace,
        &literals,
        &args.new_namespace,
    )?;
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

/// Returns the paths that a pattern stands for, from the folder; one that is no pattern must be there.
fn expand(folder: &Path, pattern: &str) -> Result<Vec<String>, String> {
    if folder.join(pattern).exists() {
        return Ok(vec![pattern.to_owned()]);
    }
    let Some(first) = pattern.find(['*', '?', '[']) else {
        return Err(format!("there is no file or folder {pattern}"));
    };
    // The folder that is listed is what stands before the first part with a pattern in it.
    let start = pattern[..first].rfind('/').map_or(0, |i| i + 1);
    let (mut found, mut open) = (Vec::new(), vec![pattern[..start].to_owned()]);
    let depth = pattern[start..].matches('/').count();
    for level in 0..=depth {
        let mut next = Vec::new();
        for at in open {
            let entries = fs::read_dir(folder.join(&at))
                .into_iter()
                .flatten()
                .flatten();
            for entry in entries {
                let name = entry.file_name().to_string_lossy().into_owned();
                next.push(if level < depth {
                    format!("{at}{name}/")
                } else {
                    format!("{at}{name}")
                });
            }
        }
        open = next;
    }
    open.sort();
    // The kustomization itself is not meant.
    let own = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
    for path in open
        .into_iter()
        .filter(|path| !own.contains(&path.as_str()))
    {
        if gitops::kustomize::edit::matches_pattern(pattern, &path) {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(format!("nothing fits the pattern {pattern}"));
    }
    Ok(found)
}

/// Whether an entry of `resources` is an address rather than a path.
fn is_remote(path: &str) -> bool {
    path.contains("://") || path.starts_with("git@") || path.starts_with("git::")
}

fn add_paths(
    file: &mut KustomizationFile,
    folder: &Path,
    field: PathField,
    patterns: &[String],
) -> Result<(), Box<dyn Error>> {
    for pattern in patterns {
        let paths = if is_remote(pattern) {
            vec![pattern.clone()]
        } else {
            expand(folder, pattern)?
        };
        for path in paths {
            file.add_path(field, &path)?;
        }
    }
    Ok(())
}

fn generator(folder: &Path, args: &Generator) -> Result<GeneratorEdit, String> {
    let sources = (&args.from_literal, &args.from_file, &args.from_env_file);
    match (
        sources.0.is_empty() && sources.1.is_empty(),
        sources.2.is_empty(),
    ) {
        (true, true) => {
            return Err(
                "at least one of --from-env-file, --from-file and --from-literal must be given"
                    .to_owned(),
            );
        }
        (false, false) => {
            return Err(
                "--from-env-file cannot be combined with --from-file or --from-literal".to_owned(),
            );
        }
        _ => {}
    }
    if let Some(behavior) = &args.behavior
        && !["create", "merge", "replace"].contains(&behavior.as_str())
    {
        return Err(format!("{behavior:?} is none of create, merge and replace"));
    }
    let mut edit = GeneratorEdit::default();
    edit.name.clone_from(&args.name);
    edit.namespace = args.namespace.clone().unwrap_or_default();
    edit.behavior = args.behavior.clone().unwrap_or_default();
    edit.literals.clone_from(&args.from_literal);
    for source in &args.from_file {
        match source.split_once('=') {
            None => edit.files.extend(expand(folder, source)?),
            Some((key, pattern)) => {
                let found = expand(folder, pattern)?;
                let [path] = found.as_slice() else {
                    return Err(format!(
                        "{pattern} fits {} files, and {key} is one",
                        found.len()
                    ));
                };
                edit.files.push(format!("{key}={path}"));
            }
        }
    }
    edit.envs.clone_from(&args.from_env_file);
    edit.secret_type = args.r#type.clone().unwrap_or_default();
    edit.disable_name_suffix_hash = args.disable_name_suffix_hash;
    Ok(edit)
}

fn add(file: &mut KustomizationFile, folder: &Path, what: &AddEntry) -> Result<(), Box<dyn Error>> {
    match what {
        AddEntry::Resource { paths, no_verify } => {
            if *no_verify {
                for path in paths {
                    file.add_resource(path)?;
                }
            } else {
                add_paths(file, folder, PathField::Resources, paths)?;
            }
        }
        AddEntry::Base(args) => add_paths(file, folder, PathField::Resources, &args.paths)?,
        AddEntry::Component(args) => add_paths(file, folder, PathField::Components, &args.paths)?,
        AddEntry::Configuration(args) => {
            add_paths(file, folder, PathField::Configurations, &args.paths)?;
        }
        AddEntry::Generator(args) => add_paths(file, folder, PathField::Generators, &args.paths)?,
        AddEntry::Transformer(args) => {
            add_paths(file, folder, PathField::Transformers, &args.paths)?;
        }
        AddEntry::Patch(args) => file.add_patch(&patch(args))?,
        AddEntry::Label(args) => {
            let mut edit = LabelEdit::default();
            edit.with_selectors = !args.without_selector;
            edit.include_templates = args.include_templates;
            edit.force = args.force;
            for (key, value) in label_pairs(&args.pairs)? {
                file.add_label(key, value, &edit)?;
            }
        }
        AddEntry::Annotation {
            pairs: texts,
            force,
        } => {
            for (key, value) in pairs(texts)? {
                if *force {
                    file.set_annotation(key, value)?;
                } else {
                    file.add_annotation(key, value)?;
                }
            }
        }
        AddEntry::Buildmetadata(texts) => file.add_build_metadata(&options(texts))?,
        AddEntry::Configmap(args) => {
            file.add_generator(GeneratorKind::ConfigMap, &generator(folder, args)?)?;
        }
        AddEntry::Secret(args) => {
            file.add_generator(GeneratorKind::Secret, &generator(folder, args)?)?;
        }
    }
    Ok(())
}

/// Removes what patterns stand for. As in kustomize it is no mistake if that is nothing, but it is told.
fn remove_paths(
    file: &mut KustomizationFile,
    field: PathField,
    patterns: &[String],
) -> Result<(), Box<dyn Error>> {
    for pattern in patterns {
        if file.remove_paths(field, pattern)?.is_empty() {
            eprintln!("{pattern} is not there");
        }
    }
    Ok(())
}

fn remove(file: &mut KustomizationFile, what: &RemoveEntry) -> Result<(), Box<dyn Error>> {
    match what {
        RemoveEntry::Resource(args) => remove_paths(file, PathField::Resources, &args.paths)?,
        RemoveEntry::Component(args) => remove_paths(file, PathField::Components, &args.paths)?,
        RemoveEntry::Transformer(args) => remove_paths(file, PathField::Transformers, &args.paths)?,
        RemoveEntry::Patch(args) => match file.remove_patch(&patch(args)) {
            // As in kustomize no mistake.
            Err(absent @ EditError::Absent { .. }) => eprintln!("{absent}"),
            done => done?,
        },
        RemoveEntry::Label(args) => {
            for key in &args.keys {
                let done = file.remove_label(key);
                if !args.ignore_non_existence {
                    done?;
                }
            }
        }
        RemoveEntry::Annotation(args) => {
            for key in &args.keys {
                let done = file.remove_annotation(key);
                if !args.ignore_non_existence {
                    done?;
                }
            }
        }
        RemoveEntry::Buildmetadata(texts) => file.remove_build_metadata(&options(texts))?,
        RemoveEntry::Configmap(args) => {
            for name in &args.names {
                file.remove_generator(GeneratorKind::ConfigMap, name, &args.namespace)?;
            }
        }
        RemoveEntry::Secret(args) => {
            for name in &args.names {
                file.remove_generator(GeneratorKind::Secret, name, &args.namespace)?;
            }
        }
    }
    Ok(())
}
