//! What a mistake looks like.

use gitops_kustomize::ErrorKind;

use crate::{build_at, build_files};

fn message(files: &[(&str, &str)], path: &str) -> String {
    match build_at(files, path) {
        Ok(build) => panic!("it can be built:\n{}", build.to_yaml()),
        Err(errors) => errors.to_string(),
    }
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n";

#[test]
fn unknown_fields_are_named_with_the_nearest() {
    let files = [(
        "kustomization.yaml",
        "resources: []\nimages:\n- nmae: web\nspec: {}\npatchs: []\n",
    )];
    assert_eq!(
        message(&files, ""),
        "kustomization.yaml:5:1: patchs: unknown field `patchs`; did you mean `patches`?\n\
         kustomization.yaml:4:1: spec: unknown field `spec`\n\
         kustomization.yaml:3:3: images[0].nmae: unknown field `nmae`; did you mean `name`?"
    );
}

#[test]
fn types_are_told() {
    let files = [(
        "kustomization.yaml",
        "resources: a.yaml\ncommonLabels:\n  a: 1\nreplicas:\n- name: x\n  count: many\n",
    )];
    let message = message(&files, "");
    for line in [
        "kustomization.yaml:1:12: resources: expected a list and found text; write it as an item",
        "kustomization.yaml:3:6: commonLabels.a: expected text and found a number; put it in quotes",
        "kustomization.yaml:6:10: replicas[0].count: expected an integer and found text",
    ] {
        assert!(message.contains(line), "{line} is not in\n{message}");
    }
}

#[test]
fn the_way_to_a_mistake_is_told() {
    let files = [
        ("a/kustomization.yaml", "resources: [../b]\n"),
        ("b/kustomization.yaml", "resources: [../c]\n"),
        (
            "c/kustomization.yaml",
            "resources:\n- missing.yaml\n- bad.yaml\n",
        ),
        ("c/bad.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {}\n"),
    ];
    assert_eq!(
        message(&files, "a"),
        "c/kustomization.yaml:2:3: resources[0]: there is no file `missing.yaml` (built from a > b > c)\n\
         c/bad.yaml:1: resources[1]: Pod: metadata.name is missing (built from a > b > c)"
    );
    let errors = build_at(&files, "a").expect_err("it fails");
    assert_eq!(errors.errors()[0].kind, ErrorKind::Missing);
    assert!(!errors.is_transient());
}

#[test]
fn conflicts_name_both_places() {
    let files = [
        ("kustomization.yaml", "resources: [a.yaml, b.yaml]\n"),
        ("a.yaml", POD),
        ("b.yaml", POD),
    ];
    assert_eq!(
        message(&files, ""),
        "b.yaml:1: resources[1]: there is a resource with the id Pod.v1.[noGrp]/web.[noNs] already (a.yaml:1)"
    );
}

#[test]
fn a_patch_without_target_tells_what_is_near() {
    let patch = "resources: [a.yaml]\npatches:\n- patch: |-\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: web}\n";
    let files = [("kustomization.yaml", patch), ("a.yaml", POD)];
    assert_eq!(
        message(&files, ""),
        "kustomization.yaml:3:3: patches[0]: no resource has the id Deployment.v1.apps/web.[noNs] of the strategic merge patch; there is Pod.v1.[noGrp]/web.[noNs]"
    );
}

#[test]
fn cycles_and_ways_out_are_refused() {
    let files = [
        ("a/kustomization.yaml", "resources: [../b]\n"),
        ("b/kustomization.yaml", "resources: [../a]\n"),
    ];
    assert!(message(&files, "a").contains("cycle"));
    let files = [
        ("a/kustomization.yaml", "resources: [../x.yaml]\n"),
        ("x.yaml", POD),
    ];
    let errors = build_at(&files, "a").expect_err("it fails");
    assert_eq!(errors.errors()[0].kind, ErrorKind::Restricted);
}

#[test]
fn what_the_host_must_supply_is_refused_without() {
    for (text, hint) in [
        (
            "resources: ['https://example.com/org/repo//x?ref=v1']\n",
            "RemoteLoader",
        ),
        (
            "resources: ['git@example.com:org/repo.git']\n",
            "RemoteLoader",
        ),
        ("helmCharts: [{name: web}]\n", "--enable-helm"),
        (
            "transformers:\n- |-\n  apiVersion: example.com/v1\n  kind: Fn\n  metadata: {name: f}\n",
            "FunctionRunner",
        ),
    ] {
        let errors = build_files(&[("kustomization.yaml", text)]).expect_err(text);
        assert_eq!(errors.errors()[0].kind, ErrorKind::Unsupported, "{errors}");
        assert!(errors.to_string().contains(hint), "{errors}");
    }
}

#[test]
fn deep_nesting_and_aliases_end() {
    let mut files = Vec::new();
    for i in 0..100 {
        let text = format!("resources: [../d{}]\n", i + 1);
        files.push((format!("d{i}/kustomization.yaml"), text));
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    let errors = build_at(&files, "d0").expect_err("it is too deep");
    assert_eq!(errors.errors()[0].kind, ErrorKind::Limit);

    let deep = format!(
        "apiVersion: v1\nkind: Foo\nmetadata: {{name: x}}\nspec: {}1{}\n",
        "{a: ".repeat(400),
        "}".repeat(400)
    );
    let files = [
        ("kustomization.yaml", "resources: [a.yaml]\n"),
        ("a.yaml", &deep),
    ];
    assert!(message(&files, "").contains("depth"));

    // Each operation copies the whole into itself.
    let copies: String = (0..60)
        .map(|i| format!("- {{op: copy, from: /spec, path: /spec/a{i}}}\n"))
        .collect();
    let files = [
        (
            "kustomization.yaml",
            "resources: [a.yaml]\npatches: [{path: p.yaml, target: {kind: Foo}}]\n",
        ),
        (
            "a.yaml",
            "apiVersion: v1\nkind: Foo\nmetadata: {name: x}\nspec: {b: 1}\n",
        ),
        ("p.yaml", &copies),
    ];
    let told = message(&files, "");
    assert!(
        told.contains("too deep") || told.contains("too large"),
        "{told}"
    );

    let mut laughs =
        String::from("apiVersion: v1\nkind: Foo\nmetadata: {name: x}\na0: &a0 [x, x]\n");
    for i in 1..40 {
        laughs.push_str(&format!("a{i}: &a{i} [*a{0}, *a{0}, *a{0}]\n", i - 1));
    }
    let files = [
        ("kustomization.yaml", "resources: [a.yaml]\n"),
        ("a.yaml", &laughs),
    ];
    assert!(build_files(&files).is_err());
    let files = [
        ("kustomization.yaml", "resources: [a.yaml]\n"),
        (
            "a.yaml",
            "apiVersion: v1\nkind: Foo\nmetadata: {name: x}\na: &a [*a]\n",
        ),
    ];
    assert!(message(&files, "").contains("contains itself"));
}

/// kustomize's decoder makes texts of numbers, but for the parts that its types embed.
#[test]
fn numbers_for_texts_in_configurations() {
    let labels = |spec: &str| {
        let kustomization = format!(
            "resources: [x.yaml]\ntransformers:\n- |-\n  apiVersion: builtin\n  kind: LabelTransformer\n  metadata: {{name: t}}\n  labels: {{a: 5}}\n  fieldSpecs: [{{path: metadata/labels, create: true{spec}}}]\n"
        );
        build_files(&[("kustomization.yaml", &kustomization), ("x.yaml", POD)])
    };
    assert!(labels("").is_ok());
    let message = labels(", version: 1")
        .expect_err("it is a number")
        .to_string();
    assert!(
        message.contains("fieldSpecs[0].version: ") && message.contains("expected text"),
        "{message}"
    );
}

#[test]
fn a_resource_that_loses_its_name_is_an_error() {
    let kustomization = "resources: [x.yaml]\nreplacements:\n- sourceValue: ''\n  targets:\n  - select: {kind: Pod}\n";
    let files = [("kustomization.yaml", kustomization), ("x.yaml", POD)];
    let message = message(&files, "");
    assert!(message.contains("metadata.name is missing"), "{message}");
}

/// kustomize merges what a component gives into nothing, and so finds conflicts that it let pass before.
#[test]
fn a_component_whose_configuration_contradicts_what_is_built_in_is_refused() {
    let files = [
        ("kustomization.yaml", "components: [c]\n"),
        (
            "c/kustomization.yaml",
            "kind: Component\nconfigurations: [config.yaml]\n",
        ),
        (
            "c/config.yaml",
            "commonLabels:\n- {path: metadata/labels, kind: Widget}\n",
        ),
    ];
    assert!(message(&files, "").contains("metadata/labels"));
}

/// kustomize reads these files strictly, and kustomizations not.
#[test]
fn a_key_twice_in_a_configuration() {
    let files = [
        ("kustomization.yaml", "configurations: [config.yaml]\n"),
        ("config.yaml", "images:\n- path: a\n  path: b\n"),
    ];
    assert!(message(&files, "").starts_with("config.yaml:3"));
    let files = [("kustomization.yaml", "namePrefix: a\nnamePrefix: b\n")];
    assert!(build_files(&files).is_ok());
}

/// As in kustomize, whoever wrote the key.
#[test]
fn keys_that_are_no_texts_are_refused() {
    for key in ["2001-01-01", "!!binary aGk=", "1.5", "012", "true"] {
        let pod = format!("{POD}spec: {{a: {{{key}: x}}}}\n");
        let files = [
            ("kustomization.yaml", "resources: [x.yaml]\n"),
            ("x.yaml", pod.as_str()),
        ];
        let message = message(&files, "");
        assert!(message.contains("and not text"), "{message}");
    }
    let files = [(
        "kustomization.yaml",
        "configMapGenerator: [{name: x, literals: ['2001-01-01=x']}]\n",
    )];
    assert!(message(&files, "").contains("`2001-01-01` is a time"));
}
