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

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: backend
spec:
  replicas: 1
";

/// Tells all lines of what is wrong with a kustomization over `DEPLOYMENT`.
fn mistakes(kustomization: &str, more: &[(&str, &str)]) -> String {
    let kustomization = format!("resources: [d.yaml]\n{kustomization}");
    let mut files = vec![
        ("kustomization.yaml", kustomization.as_str()),
        ("d.yaml", DEPLOYMENT),
    ];
    files.extend(more);
    message(&files, "")
}

#[test]
fn names_that_lead_nowhere_are_told_with_the_nearest() {
    for (kustomization, wanted) in [
        (
            "replicas: [{name: bakcend, count: 3}]\n",
            "kustomization.yaml:2:12: replicas[0]: no resource named `bakcend` is of a kind whose replicas can be set \
             (Deployment.[noVer].[noGrp], StatefulSet.[noVer].[noGrp], ReplicaSet.[noVer].[noGrp], \
             ReplicationController.[noVer].[noGrp]); did you mean `backend`?",
        ),
        (
            "patches:\n- patch: |-\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: backnd}\n",
            "kustomization.yaml:3:3: patches[0]: no resource has the id Deployment.v1.apps/backnd.[noNs] of the \
             strategic merge patch; did you mean `backend`?",
        ),
        (
            "patches:\n- path: deploymnt.yaml\n",
            "kustomization.yaml:3:9: patches[0].path: there is no file `deploymnt.yaml`; did you mean `deployment.yaml`?",
        ),
        (
            "replacements:\n- source: {kind: Deployment, name: bckend}\n  targets:\n  - select: {kind: Deployment}\n",
            "kustomization.yaml:3:11: replacements[0].source: the source Deployment.[noVer].[noGrp]/bckend.[noNs] \
             selects no resource; did you mean `backend`?",
        ),
        (
            "replacements:\n- sourceValue: x\n  targets:\n  - select: {kind: Deployment}\n    fieldPaths:\n    - spec.replcas\n",
            "kustomization.yaml:7:7: replacements[0].targets[0].fieldPaths[0]: unable to find field \"spec.replcas\" in \
             replacement target (Deployment.v1.apps/backend.[noNs], d.yaml:1); did you mean `replicas`?",
        ),
        (
            "vars:\n- name: A\n  objref: {kind: Deployment, apiVersion: apps/v1, name: bakend}\n",
            "kustomization.yaml:3:3: vars[0]: the variable `A` refers to Deployment.v1.apps `bakend`, and there is no \
             such resource; did you mean `backend`?",
        ),
        (
            "configMapGenerator: [{name: backend, behavior: merge}]\n",
            "kustomization.yaml:2:22: configMapGenerator[0]: there is no ConfigMap.v1.[noGrp]/backend.[noNs] to merge \
             with or to replace; there is Deployment.v1.apps/backend.[noNs]",
        ),
    ] {
        let more = [("deployment.yaml", "")];
        assert_eq!(mistakes(kustomization, &more), wanted);
    }
}

/// Where one part cannot be read, what the others read is looked through all the same.
#[test]
fn the_mistakes_of_all_parts_are_told_together() {
    let files = [
        (
            "top/kustomization.yaml",
            "resources: [missing.yaml]\ncomponents: [../part, ../base]\nopenapi: {path: none.json}\nconfigurations: [a.yaml, b.yaml]\npatches: [{path: p.yaml}]\nreplacements: [{path: r.yaml}]\n",
        ),
        ("top/a.yaml", "namePrefx: []\n"),
        (
            "part/kustomization.yaml",
            "kind: Component\nresources: [gone.yaml]\npatches: [{path: q.yaml}]\n",
        ),
        ("base/kustomization.yaml", "namePrefix: a\n"),
    ];
    let part = " (built from top > part)";
    assert_eq!(
        message(&files, "top"),
        [
            "top/kustomization.yaml:3:17: openapi.path: there is no file `none.json`",
            "top/kustomization.yaml:1:13: resources[0]: there is no file `missing.yaml`",
            "top/a.yaml:1:1: namePrefx: unknown field `namePrefx`; did you mean `namePrefix`?",
            "top/kustomization.yaml:4:26: configurations[1]: there is no file `b.yaml`",
            &format!("part/kustomization.yaml:2:13: resources[0]: there is no file `gone.yaml`{part}"),
            &format!("part/kustomization.yaml:3:18: patches[0].path: there is no file `q.yaml`{part}"),
            "top/kustomization.yaml:2:23: components[1]: `../base` is a Kustomization and no Component; name it under resources",
            "top/kustomization.yaml:5:18: patches[0].path: there is no file `p.yaml`",
            "top/kustomization.yaml:6:23: replacements[0]: there is no file `r.yaml`",
        ]
        .join("\n")
    );
}

#[test]
fn mistakes_in_patches_are_told_where_the_patch_is() {
    let merge = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: backend\n spec: x\n";
    assert_eq!(
        mistakes("patches: [{path: p.yaml}]\n", &[("p.yaml", merge)]),
        "p.yaml:5:2: patches[0]: the strategic merge patch `p.yaml` cannot be read: did not find expected key"
    );
    assert_eq!(
        mistakes(
            "patches:\n- target: {kind: Deployment}\n  patch: '[{op: remove, path: /spec}]'\n",
            &[]
        ),
        "kustomization.yaml:3:3: patches[0]: the JSON patch `[{op: remove, path: /spec}]` cannot be read: key must be a string at line 1 column 3; \
         what begins with a bracket is read as JSON, with keys and texts in double quotes"
    );
    assert_eq!(
        mistakes("patches: [p.yaml]\n", &[("p.yaml", merge)]),
        "kustomization.yaml:2:11: patches[0]: expected a map and found text; write it as `path: …` or `patch: …`"
    );
}

/// A replacement of a file is told with that file.
#[test]
fn mistakes_in_replacements_of_files_are_told_there() {
    let list = "- sourceValue: x\n  targets:\n  - select: {kind: '['}\n";
    let message = mistakes("replacements: [{path: r.yaml}]\n", &[("r.yaml", list)]);
    assert!(
        message.starts_with("r.yaml:3:5: replacements[0].targets[0].select: "),
        "{message}"
    );
    let transformer = "\n\napiVersion: builtin\nkind: ReplacementTransformer\nmetadata: {name: t}\nreplacements:\n- sourceValue: x\n";
    let message = mistakes("transformers: [t.yaml]\n", &[("t.yaml", transformer)]);
    assert_eq!(
        message,
        "t.yaml:3: replacements[0]: a replacement must have a source and at least one target"
    );
}

#[test]
fn a_base_that_comes_in_twice_is_told_as_that() {
    let files = [
        ("top/kustomization.yaml", "resources: [../a, ../b]\n"),
        ("a/kustomization.yaml", "resources: [../base]\n"),
        ("b/kustomization.yaml", "resources: [../base]\n"),
        ("base/kustomization.yaml", "resources: [pod.yaml]\n"),
        ("base/pod.yaml", POD),
    ];
    assert_eq!(
        message(&files, "top"),
        "base/pod.yaml:1: resources[1]: there is a resource with the id Pod.v1.[noGrp]/web.[noNs] already \
         (base/pod.yaml:1); it comes in twice: name it once, or give one of the two another namePrefix, nameSuffix or \
         namespace"
    );
}

#[test]
fn every_mistake_has_a_place() {
    assert_eq!(
        mistakes("sortOptions: {order: lagacy}\n", &[]),
        "kustomization.yaml:2:14: sortOptions: `lagacy` is no order; the order is fifo or legacy"
    );
    assert_eq!(
        message(&[("kustomization.yaml", "{}\n")], ""),
        "kustomization.yaml:1:1: the kustomization is empty"
    );
    let validator = "validators:\n- |-\n  apiVersion: builtin\n  kind: PrefixTransformer\n  metadata: {name: x}\n  prefix: a-\n  fieldSpecs: [{path: metadata/name}]\n";
    assert_eq!(
        mistakes(validator, &[]),
        "kustomization.yaml:3:3: validators: the validator PrefixTransformer `x` changes resources"
    );
    let both = [
        ("kustomization.yaml", "resources: [a, b]\n"),
        (
            "a/kustomization.yaml",
            "vars: [{name: A, objref: {kind: Pod, name: web}}]\n",
        ),
        (
            "b/kustomization.yaml",
            "vars: [{name: A, objref: {kind: Pod, name: web}}]\n",
        ),
    ];
    assert_eq!(
        message(&both, ""),
        "kustomization.yaml:1:16: resources[1]: the variable `A` is defined twice (first at a/kustomization.yaml:1:8)"
    );
}
