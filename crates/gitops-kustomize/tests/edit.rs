//! Edits of kustomization files.

use gitops_kustomize::edit::{
    EditError, Fix, GeneratorEdit, GeneratorKind, ImageEdit, KustomizationFile, PatchEdit,
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
    for bad in ["nginx", "=x", "nginx=", ":1"] {
        assert!(ImageEdit::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn labels_annotations_and_generators() {
    let mut edited = file("resources: []\n");
    edited.add_label("app", "web", false).expect("it is new");
    edited.add_label("env", "prod", false).expect("it is new");
    assert!(edited.add_label("app", "other", false).is_err());
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
- envs:
  - c.env
  name: c
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
