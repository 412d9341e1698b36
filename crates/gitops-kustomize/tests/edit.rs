//! Edits of kustomization files.

use gitops_kustomize::edit::{
    EditError, Fix, GeneratorEdit, GeneratorKind, ImageEdit, KustomizationFile, LabelEdit,
    PatchEdit, PathField,
};

fn file(text: &str) -> KustomizationFile {
    KustomizationFile::parse(text).expect("it is a kustomization")
}

const COMMENTED: &str = "\
# the head
kind: Kustomization

# what is deployed
resources:
  # the base
  - ../base # shared
  - web.yaml

namespace: old # set by CI

# the end
";

#[test]
fn an_edit_leaves_the_rest_alone() {
    let mut edited = file(COMMENTED);
    edited.set_namespace("new").expect("it is a text");
    assert_eq!(edited.as_str(), COMMENTED.replace("old #", "new #"));
    edited.add_resource("db.yaml").expect("it is a list");
    edited.add_resource("db.yaml").expect("it is there already");
    assert_eq!(
        edited.as_str(),
        COMMENTED
            .replace("old #", "new #")
            .replace("  - web.yaml\n", "  - web.yaml\n  - db.yaml\n")
    );
    edited.remove_resource("db.yaml").expect("it is there");
    edited.set_namespace("old").expect("it is a text");
    assert_eq!(edited.as_str(), COMMENTED);
    let absent = edited.remove_resource("nothing.yaml");
    assert!(
        matches!(absent, Err(EditError::Absent { .. })),
        "{absent:?}"
    );
}

#[test]
fn lists_in_brackets_are_written_anew() {
    let mut edited = file("resources: [a.yaml, b.yaml]\nnamePrefix: x-\n");
    edited.add_resource("c.yaml").expect("it is a list");
    assert_eq!(
        edited.as_str(),
        "resources:\n- a.yaml\n- b.yaml\n- c.yaml\nnamePrefix: x-\n"
    );
    for name in ["a.yaml", "b.yaml", "c.yaml"] {
        edited.remove_resource(name).expect("it is there");
    }
    assert_eq!(edited.as_str(), "namePrefix: x-\n");
}

#[test]
fn images_are_read_as_the_program_reads_them() {
    let parse = |text| {
        let image = ImageEdit::parse(text).expect(text);
        [image.name, image.new_name, image.new_tag, image.digest]
    };
    assert_eq!(parse("nginx:1.2"), ["nginx", "", "1.2", ""]);
    assert_eq!(parse("nginx=r:80/n:1"), ["nginx", "r:80/n", "1", ""]);
    assert_eq!(parse("nginx@sha256:x"), ["nginx", "", "", "sha256:x"]);
    assert_eq!(parse("nginx=other"), ["nginx", "other", "", ""]);
    assert_eq!(parse("nginx=nginx:1"), ["nginx", "nginx", "1", ""]);
    for bad in ["nginx", "=x", "nginx=", ":1"] {
        assert!(ImageEdit::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn labels_annotations_and_generators() {
    let mut edited = file("resources: []\n");
    let plain = LabelEdit::default();
    edited.add_label("app", "web", &plain).expect("it is new");
    edited.add_label("env", "prod", &plain).expect("it is new");
    assert!(edited.add_label("app", "other", &plain).is_err());
    edited.set_label("app", "api").expect("it can be set");
    edited.add_annotation("note", "true").expect("it is new");
    edited.set_replicas("web", 3).expect("it is new");
    edited.set_replicas("web", 5).expect("it is there");
    let mut generator = GeneratorEdit::default();
    generator.name = "settings".to_owned();
    generator.literals = vec!["A=1".to_owned()];
    edited
        .add_generator(GeneratorKind::ConfigMap, &generator)
        .expect("it is new");
    generator.literals = vec!["B=2".to_owned()];
    edited
        .add_generator(GeneratorKind::ConfigMap, &generator)
        .expect("it is there");
    edited
        .add_patch(&PatchEdit::of_file("p.yaml"))
        .expect("it is new");
    assert_eq!(
        edited.as_str(),
        "resources: []\nlabels:\n- pairs:\n    app: api\n    env: prod\ncommonAnnotations:\n  note: \"true\"\nreplicas:\n- count: 5\n  name: web\nconfigMapGenerator:\n- literals:\n  - A=1\n  - B=2\n  name: settings\npatches:\n- path: p.yaml\n"
    );
    edited.remove_label("app").expect("it is there");
    edited.remove_label("env").expect("it is there");
    edited.remove_annotation("note").expect("it is there");
    edited
        .remove_patch(&PatchEdit::of_file("p.yaml"))
        .expect("it is there");
    edited
        .remove_generator(GeneratorKind::ConfigMap, "settings", "")
        .expect("it is there");
    assert_eq!(
        edited.as_str(),
        "resources: []\nreplicas:\n- count: 5\n  name: web\n"
    );
}

#[test]
fn deprecated_fields_are_fixed() {
    let mut edited = file(
        "\
# top
bases:
- ../base # keep
resources:
- a.yaml
imageTags:
- name: web
  newTag: v1
commonLabels:
  app: web
patchesStrategicMerge:
- patch.yaml
- |-
  apiVersion: v1
  kind: Pod
  metadata: {name: x}
patchesJson6902:
- path: json.yaml
  target: {kind: Pod, name: x}
configMapGenerator:
- name: c
  env: c.env
",
    );
    let done = edited
        .fix(|path| path.ends_with(".yaml"))
        .expect("it can be fixed");
    assert_eq!(done.len(), 7);
    assert!(done.contains(&Fix::Bases));
    assert_eq!(
        edited.as_str(),
        "\
# top
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- a.yaml
- ../base # keep
images:
- name: web
  newTag: v1
patches:
- path: json.yaml
  target: {kind: Pod, name: x}
- path: patch.yaml
- patch: |-
    apiVersion: v1
    kind: Pod
    metadata: {name: x}
configMapGenerator:
- name: c
  envs:
  - c.env
labels:
- includeSelectors: true
  pairs:
    app: web
"
    );
    assert_eq!(edited.fix(|_| true), Ok(vec![]));
}

#[test]
fn what_is_no_kustomization_is_refused() {
    assert!(KustomizationFile::parse("a: [").is_err());
    assert!(KustomizationFile::parse("nonsense: 1\n").is_err());
    let mut edited = file("{resources: [a.yaml]}\n");
    assert!(edited.add_resource("b.yaml").is_err());
    assert_eq!(edited.as_str(), "{resources: [a.yaml]}\n");
}

#[test]
fn lists_build_metadata_and_literals() {
    let mut edited = file("kind: Kustomization\n");
    for path in ["a.yaml", "b.yaml", "x/c.yaml"] {
        edited
            .add_path(PathField::Transformers, path)
            .expect("it is new");
    }
    let removed = edited.remove_paths(PathField::Transformers, "*.yaml");
    assert_eq!(removed.expect("it is a list"), ["a.yaml", "b.yaml"]);
    edited
        .add_build_metadata(&["originAnnotations"])
        .expect("it is new");
    assert!(edited.add_build_metadata(&["originAnnotations"]).is_err());
    assert!(edited.add_build_metadata(&["origin"]).is_err());
    edited
        .set_build_metadata(&["managedByLabel"])
        .expect("it is known");
    edited
        .remove_build_metadata(&["originAnnotations"])
        .expect("none is there");
    assert_eq!(
        edited.as_str(),
        "kind: Kustomization\ntransformers:\n- x/c.yaml\nbuildMetadata:\n- managedByLabel\n"
    );
    let mut edited =
        file("configMapGenerator:\n- name: x # the settings\n  literals:\n  - a=1\n  - b=2\n");
    let kind = GeneratorKind::ConfigMap;
    edited
        .set_generator(kind, "x", "default", &["b=3"], "prod")
        .expect("it is there");
    assert_eq!(
        edited.as_str(),
        "configMapGenerator:\n- name: x # the settings\n  literals:\n  - a=1\n  - b=3\n  namespace: prod\n"
    );
    assert!(
        edited
            .set_generator(kind, "x", "prod", &["c=3"], "")
            .is_err()
    );
    assert!(edited.set_generator(kind, "y", "", &["c=3"], "").is_err());
}

#[test]
fn a_star_keeps_what_an_image_has() {
    let mut edited = file("images:\n- name: web\n  newName: r/web\n  newTag: v1\n");
    let image = ImageEdit::parse("web=*:v2").expect("it is an image");
    edited.set_image(&image).expect("it is a list");
    assert_eq!(
        edited.as_str(),
        "images:\n- name: web\n  newName: r/web\n  newTag: v2\n"
    );
}

/// The expected texts were written by `kustomize edit fix --vars`, but for the place of the fields in the file.
#[test]
fn variables_become_replacements() {
    let kustomization = "# top\nresources:\n- base\n- dep.yaml\nvars:\n- name: HOST\n  objref: {kind: Service, name: svc, apiVersion: v1}\n- name: NS\n  objref: {kind: Deployment, name: dep, apiVersion: apps/v1}\n  fieldref: {fieldpath: metadata.namespace}\npatches:\n- path: patch.yaml\n  target: {kind: Deployment}\n";
    let tree = gitops_manifest::MemoryTree::from_iter([
        (
            "top/patch.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: dep}\nspec:\n  template:\n    spec:\n      containers:\n      - name: c\n        args: [\"--host=$(HOST)\", \"$(HOST):80\", \"a/$(NS)/b\"]\n",
        ),
        (
            "top/dep.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: dep, namespace: x}\nspec:\n  template:\n    metadata:\n      annotations: {a.b/c: $(NS)}\n    spec:\n      containers:\n      - name: c\n        image: i\n        env:\n        - name: H\n          value: $(HOST)\n",
        ),
        ("top/base/kustomization.yaml", "resources: [svc.yaml]\n"),
        (
            "top/base/svc.yaml",
            "apiVersion: v1\nkind: Service\nmetadata: {name: svc}\nspec: {externalName: $(HOST).x}\n",
        ),
    ]);
    let mut edited = file(kustomization);
    let changed = edited
        .convert_vars(&tree, "top")
        .expect("all can be replaced");
    let expected = "# top\nresources:\n- base\n- dep.yaml\npatches:\n- path: patch.yaml\n  target: {kind: Deployment}\nreplacements:\n- source:\n    kind: Service\n    name: svc\n    version: v1\n  targets:\n  - fieldPaths:\n    - spec.externalName\n    options:\n      delimiter: .\n    select:\n      kind: Service\n      name: svc\n      version: v1\n  - fieldPaths:\n    - spec.template.spec.containers.0.env.0.value\n    select:\n      group: apps\n      kind: Deployment\n      name: dep\n      namespace: x\n      version: v1\n  - fieldPaths:\n    - spec.template.spec.containers.0.args.0\n    options:\n      delimiter: =\n      index: 1\n    select:\n      kind: Deployment\n  - fieldPaths:\n    - spec.template.spec.containers.0.args.1\n    options:\n      delimiter: ':'\n    select:\n      kind: Deployment\n- source:\n    fieldPath: metadata.namespace\n    group: apps\n    kind: Deployment\n    name: dep\n    version: v1\n  targets:\n  - fieldPaths:\n    - spec.template.metadata.annotations.[a.b/c]\n    select:\n      group: apps\n      kind: Deployment\n      name: dep\n      namespace: x\n      version: v1\n  - fieldPaths:\n    - spec.template.spec.containers.0.args.2\n    options:\n      delimiter: /\n      index: 1\n    select:\n      kind: Deployment\n";
    assert_eq!(edited.as_str(), expected);
    let names: Vec<&str> = changed.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        names,
        ["top/base/svc.yaml", "top/dep.yaml", "top/patch.yaml"]
    );
    assert!(changed[0].1.contains("externalName: HOST_PLACEHOLDER.x}"));
    assert!(changed[2].1.contains(
        "[\"--host=HOST_PLACEHOLDER\", \"HOST_PLACEHOLDER:80\", \"a/NS_PLACEHOLDER/b\"]"
    ));

    let tree = gitops_manifest::MemoryTree::from_iter([(
        "a.yaml",
        "kind: X\nmetadata: {name: x}\nspec: {a: 'x$(V)-'}\n",
    )]);
    let mut edited = file("resources: [a.yaml]\nvars:\n- name: V\n  objref: {kind: X, name: x}\n");
    let error = edited.convert_vars(&tree, "").expect_err("no delimiter");
    assert!(error.to_string().starts_with("a.yaml: "), "{error}");
}

/// What is there goes unless it is said again, as with `kustomize edit set image`, which gave the expected values.
#[test]
fn an_image_is_set_as_the_program_sets_it() {
    let set = |before: &str, image: &str| {
        let mut edited = file(&format!("images:\n- {{name: web, {before}}}\n"));
        let image = ImageEdit::parse(image).expect("it is an image");
        edited.set_image(&image).expect("it is a list");
        let text = edited.as_str().to_owned();
        let entry = text.strip_prefix("images:\n- {name: web");
        let entry = entry.and_then(|rest| rest.strip_suffix("}\n"));
        entry.expect(&text).trim_start_matches(", ").to_owned()
    };
    let both = "newName: my, newTag: \"1\"";
    for (before, image, after) in [
        (both, "web=other", "newName: other"),
        (both, "web=web", "newName: web"),
        (both, "web:2", "newTag: \"2\""),
        (both, "web=*:2", "newName: my, newTag: \"2\""),
        (both, "web=other:*", "newName: other, newTag: \"1\""),
        (both, "web=*", "newName: my"),
        (both, "web@sha256:b", "digest: sha256:b"),
        (
            "newName: my, digest: \"sha256:a\"",
            "web=*:2@*",
            "newName: my, digest: sha256:a, newTag: \"2\"",
        ),
    ] {
        assert_eq!(set(before, image), after, "{image} on {before}");
    }
}

#[test]
fn comments_and_order_within_an_entry_stay() {
    let before = "\
images:
# the shop
- name: web # its name
  # pinned by hand
  newTag: \"1.2\"   # until the next release
- {name: db, newTag: v1} # in braces
- newTag: v3
  name: cache

replicas:
  - name: web # the shop
    count: 3 # for the night

labels:
- includeSelectors: true
  pairs:
    # what it is
    app: web # a shop
    tier: 'front'
configMapGenerator:
- name: conf # settings
  literals:
  - a=1 # the first
  # the second
  - b=2
  options:
    disableNameSuffixHash: true # stable
# the end
";
    let mut edited = file(before);
    for image in ["web:1.3", "db:v2", "cache=r/cache:v4"] {
        let image = ImageEdit::parse(image).expect("it is an image");
        edited.set_image(&image).expect("it is a list");
    }
    edited.set_replicas("web", 5).expect("it is a list");
    edited.set_label("app", "api").expect("it is there");
    edited.set_label("tier", "back").expect("it is there");
    let mut generator = GeneratorEdit::default();
    generator.name = "conf".to_owned();
    generator.literals = vec!["c=3".to_owned()];
    edited
        .add_generator(GeneratorKind::ConfigMap, &generator)
        .expect("it is there");
    edited
        .set_generator(GeneratorKind::ConfigMap, "conf", "", &["a=9"], "")
        .expect("it has the key");
    let after = before
        .replace("\"1.2\"", "\"1.3\"")
        .replace("newTag: v1}", "newTag: v2}")
        .replace(
            "- newTag: v3\n  name: cache\n",
            "- newTag: v4\n  name: cache\n  newName: r/cache\n",
        )
        .replace("count: 3", "count: 5")
        .replace("app: web", "app: api")
        .replace("'front'", "'back'")
        .replace("- a=1", "- a=9")
        .replace("  - b=2\n", "  - b=2\n  - c=3\n");
    assert_eq!(edited.as_str(), after);
    let image = ImageEdit::parse("web@sha256:0").expect("it is an image");
    edited.set_image(&image).expect("it is a list");
    let tag = "  # pinned by hand\n  newTag: \"1.3\"   # until the next release\n";
    assert_eq!(edited.as_str(), after.replace(tag, "  digest: sha256:0\n"));
    generator.literals = vec!["a=1".to_owned()];
    let twice = edited.add_generator(GeneratorKind::ConfigMap, &generator);
    assert_eq!(
        twice.expect_err("it has the key").to_string(),
        "the generator `conf` has the key `a` already"
    );
}
