//! Behaviour of kustomize 5.8.2 that is easily taken for a mistake. Every expected text here was printed by it.

use crate::yaml;

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: d
spec:
  template:
    spec:
      containers:
      - name: c
        image: nginx:1
";

/// A label that one transformer sets in several places of an object is one node there.
#[test]
fn a_label_that_was_set_in_several_places_changes_in_all() {
    let files = [
        (
            "base/kustomization.yaml",
            "resources: [d.yaml]\nlabels:\n- pairs: {app: foo}\n  includeSelectors: true\n",
        ),
        (
            "base/d.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: d\nspec:\n  template:\n    spec: {}\n",
        ),
        (
            "kustomization.yaml",
            "resources: [base]\npatches:\n- patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata:\n      name: d\n      labels: {app: bar}\n",
        ),
    ];
    assert_eq!(
        yaml(&files),
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  labels:\n    app: bar\n  name: d\nspec:\n  selector:\n    matchLabels:\n      app: bar\n  template:\n    metadata:\n      labels:\n        app: bar\n    spec: {}\n"
    );
}

/// A suffix is added by both passes of the image transformer.
#[test]
fn a_suffix_of_a_tag_is_added_twice() {
    let files = [
        (
            "kustomization.yaml",
            "resources: [d.yaml]\nimages:\n- name: nginx\n  tagSuffix: -foo\n",
        ),
        ("d.yaml", DEPLOYMENT),
    ];
    assert!(yaml(&files).contains("image: nginx:1-foo-foo\n"));
}

/// A patch with a target makes texts of its labels and annotations first.
#[test]
fn null_in_the_labels_of_a_targeted_patch_is_a_text() {
    let files = [
        (
            "kustomization.yaml",
            "resources: [d.yaml]\npatches:\n- target: {kind: Deployment}\n  patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata:\n      name: d\n      labels:\n        x: null\n        z: ~\n        y:\n",
        ),
        ("d.yaml", DEPLOYMENT),
    ];
    assert!(yaml(&files).contains("  labels:\n    x: \"null\"\n    \"y\": \"\"\n    z: \"~\"\n"));
}

/// The hash does not depend on the name, and a bare name in an environment file is empty.
#[test]
fn equal_data_has_equal_hashes() {
    let files = [
        (
            "kustomization.yaml",
            "configMapGenerator:\n- name: x\n  envs: [e.env]\n- name: yy\n  envs: [e.env]\n",
        ),
        ("e.env", "HOME\nA=1\n"),
    ];
    assert_eq!(
        yaml(&files),
        "apiVersion: v1\ndata:\n  A: \"1\"\n  HOME: \"\"\nkind: ConfigMap\nmetadata:\n  name: x-74ft7f78h2\n---\napiVersion: v1\ndata:\n  A: \"1\"\n  HOME: \"\"\nkind: ConfigMap\nmetadata:\n  name: yy-74ft7f78h2\n"
    );
}

/// Annotations are texts on the way out, whatever they were.
#[test]
fn annotations_become_texts() {
    let files = [
        ("kustomization.yaml", "resources: [a.yaml]\n"),
        (
            "a.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n  annotations: {a: yes, b: 012, c: null}\n  labels: {k: 5}\n",
        ),
    ];
    assert_eq!(
        yaml(&files),
        "apiVersion: v1\nkind: Pod\nmetadata:\n  annotations:\n    a: \"yes\"\n    b: \"012\"\n    c: \"null\"\n  labels:\n    k: 5\n  name: x\n"
    );
}

/// A patch with options makes texts of its annotations; null takes nothing away then.
#[test]
fn null_in_the_annotations_of_a_patch_with_options_is_a_text() {
    let built = |annotations: &str| {
        let kustomization = format!(
            "resources: [d.yaml]\npatches:\n- options: {{allowNameChange: true}}\n  patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {{name: d, annotations: {annotations}}}\n"
        );
        let d =
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: d\n  annotations: {a: b}\n";
        yaml(&[("kustomization.yaml", &kustomization), ("d.yaml", d)])
    };
    assert!(built("{a: null}").contains("    a: \"null\"\n"));
    assert!(built("null").contains("    a: b\n"));
}

/// What kustomize keeps in braces or brackets it quotes on the way out where it is empty or has a colon.
#[test]
fn null_and_times_in_braces_become_texts() {
    let built = |spec: &str| {
        let x = format!("apiVersion: v1\nkind: X\nmetadata: {{name: x}}\nspec: {spec}\n");
        let text = yaml(&[
            ("kustomization.yaml", "resources: [x.yaml]\n"),
            ("x.yaml", &x),
        ]);
        text.split_once("spec:\n").expect("it has one").1.to_owned()
    };
    assert_eq!(built("{a: b,c}"), "  a: b\n  c: \"\"\n");
    assert_eq!(
        built("{a: , b: ~, c: null}"),
        "  a: \"\"\n  b: null\n  c: null\n"
    );
    assert_eq!(
        built("[2001-12-14t21:59:43.10-05:00]"),
        "- \"2001-12-14t21:59:43.10-05:00\"\n"
    );
    assert_eq!(
        built("\n- 2001-12-14t21:59:43.10-05:00"),
        "- \"2001-12-14T21:59:43.1-05:00\"\n"
    );
}

/// Where a resource comes from is an annotation, and goes with the others.
#[test]
fn a_json_patch_of_all_annotations_takes_the_origin_away() {
    let files = [
        (
            "kustomization.yaml",
            "resources: [x.yaml]\nbuildMetadata: [transformerAnnotations]\npatches:\n- target: {kind: X}\n  patch: |-\n    - {op: add, path: /spec, value: 1}\n- target: {kind: X}\n  patch: |-\n    - {op: add, path: /metadata/annotations, value: {a: b}}\n",
        ),
        ("x.yaml", "apiVersion: v1\nkind: X\nmetadata: {name: x}\n"),
    ];
    assert_eq!(
        yaml(&files),
        "apiVersion: v1\nkind: X\nmetadata:\n  annotations:\n    a: b\n  name: x\nspec: 1\n"
    );
}

/// Builds a text in a field of a resource after a replacement in it; returns the text.
fn replaced_in(text: &str, path: &str, value: &str) -> String {
    let mut resource =
        String::from("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  t: |\n");
    for line in text.lines() {
        let blanks = if line.is_empty() { "" } else { "    " };
        resource.push_str(&format!("{blanks}{line}\n"));
    }
    let kustomization = format!(
        "resources: [c.yaml]\nreplacements:\n- sourceValue: {value}\n  targets:\n  - select: {{kind: ConfigMap}}\n    fieldPaths: [data.t.{path}]\n"
    );
    let files = [
        ("kustomization.yaml", kustomization.as_str()),
        ("c.yaml", resource.as_str()),
    ];
    let built = crate::build_files(&files).expect("it can be built");
    let text = built.objects[0].to_value();
    let text = text.at(&["data", "t"]).and_then(|text| text.as_str());
    text.expect("it is there").to_owned()
}

/// Comments stay; of the blank lines those beside comments do.
#[test]
fn yaml_in_a_field_keeps_its_comments() {
    for (text, wanted) in [
        (
            "server:\n  # the port\n  b: 80  # default\n\n  # the host\n  host: x\n\n# logging\nlogging:\n  level: info\n",
            "server:\n  # the port\n  b: 9 # default\n  # the host\n  host: x\n# logging\nlogging:\n  level: info",
        ),
        (
            "# top\n\n# second\nserver: # s\n    # in it\n    b: 1\n    l: # a list\n      # an item\n      - q: 2   # two\n        r: 3\n        # behind r\n      # behind the items\n      - 'x # y'\n# tail\n",
            "# top\n\n# second\nserver: # s\n  # in it\n  b: 9\n  l: # a list\n  # an item\n  - q: 2 # two\n    r: 3\n    # behind r\n  # behind the items\n  - 'x # y'\n# tail",
        ),
        (
            "a: |\n  # text\nserver:\n  b: 2\n# foot\n\nc: \"#\" # c\n",
            "a: |\n  # text\nserver:\n  b: 9\n# foot\n\nc: \"#\" # c",
        ),
        (
            "server: {b: 1} # in braces\n\nc: 2\n\n# end\n",
            "server: {b: 9} # in braces\nc: 2\n\n# end",
        ),
    ] {
        assert_eq!(replaced_in(text, "server.b", "'9'"), wanted);
    }
}

/// What is no longer what its type says has the type before it.
#[test]
fn yaml_in_a_field_shows_the_type_that_a_new_text_does_not_have() {
    for (old, new, wanted) in [
        ("1", "x", "!!int x"),
        ("1", "'5'", "5"),
        ("1.5", "'5'", "!!float 5"),
        ("true", "'a b: c'", "!!bool 'a b: c'"),
        ("null", "x", "!!null x"),
        ("!!str 5", "x", "!!str x"),
        ("x", "'5'", "\"5\""),
    ] {
        let text = replaced_in(&format!("a: {old}\nb: 1\n"), "a", new);
        assert_eq!(text, format!("a: {wanted}\nb: 1"), "{old}");
    }
    assert_eq!(replaced_in("a: 1\nb: 1\n", "a", "''"), "a: !!int\nb: 1");
    assert_eq!(replaced_in("a: null\nb: 1\n", "a", "''"), "a:\nb: 1");
}

/// kustomize 5.8.2 fails on the first two, and makes a blank of the character in the third.
#[test]
fn what_kustomize_stumbles_over() {
    let built = |kustomization: &str, spec: &str| {
        let x = format!("apiVersion: v1\nkind: X\nmetadata: {{name: x}}\nspec: {spec}\n");
        let kustomization = format!("resources: [x.yaml]\n{kustomization}");
        yaml(&[("kustomization.yaml", &kustomization), ("x.yaml", &x)])
    };
    assert!(built("", "{!mine a: b}").ends_with("spec:\n  a: b\n"));
    let patch = "patches:\n- patch: |-\n    apiVersion: v1\n    kind: X\n    metadata: {name: x}\n    spec: {\"\": c}\n";
    assert!(built(patch, "{a: b}").ends_with("spec:\n  \"\": c\n  a: b\n"));
    let prefix = built("namePrefix: \"a\\u0085\"\n", "{}");
    assert!(prefix.contains("name: \"a\\Nx\"\n"), "{prefix}");
}
