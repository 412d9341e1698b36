//! What holds for every tree.

use std::fmt::Write as _;

use gitops_manifest::yaml::{self, ParseOptions};
use proptest::prelude::*;

use crate::{build_at, build_files};

/// Scalars as people write them.
fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("yes".to_owned()),
        Just("012".to_owned()),
        Just("1.0".to_owned()),
        Just("\"5\"".to_owned()),
        Just("null".to_owned()),
        Just("2001-12-14".to_owned()),
        Just("\"a: b\"".to_owned()),
        Just("\"two\\nlines\"".to_owned()),
        "[a-z]{1,8}",
        (0..2_000_000_i64).prop_map(|n| n.to_string()),
    ]
}

#[derive(Clone, Debug)]
struct App {
    name: u8,
    kind: u8,
    value: String,
    label: String,
}

fn app() -> impl Strategy<Value = App> {
    (0..12_u8, 0..4_u8, scalar(), "[a-z]{1,5}").prop_map(|(name, kind, value, label)| App {
        name,
        kind,
        value,
        label,
    })
}

impl App {
    fn yaml(&self) -> String {
        let Self {
            name,
            kind,
            value,
            label,
        } = self;
        let head = |api: &str, kind: &str| {
            format!(
                "apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: n{name}\n  labels: {{l: {label}}}\n"
            )
        };
        match kind {
            0 => head("v1", "ConfigMap") + &format!("data:\n  k: {value}\n"),
            1 => {
                head("apps/v1", "Deployment")
                    + &format!(
                        "spec:\n  template:\n    spec:\n      containers:\n      - name: c\n        image: web\n        env:\n        - name: A\n          value: {value}\n        envFrom:\n        - configMapRef: {{name: n{name}}}\n"
                    )
            }
            2 => head("v1", "Service") + "spec:\n  ports:\n  - port: 80\n",
            _ => head("example.com/v1", "Thing") + &format!("spec: {{a: {value}, b: [{value}]}}\n"),
        }
    }
}

#[derive(Clone, Debug)]
struct Tree {
    apps: Vec<App>,
    prefix: Option<String>,
    namespace: Option<String>,
    generated: bool,
    patched: bool,
}

fn tree() -> impl Strategy<Value = Tree> {
    (
        prop::collection::vec(app(), 1..8),
        prop::option::of("[a-z]{1,3}-"),
        prop::option::of("[a-z]{1,5}"),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(apps, prefix, namespace, generated, patched)| Tree {
            apps,
            prefix,
            namespace,
            generated,
            patched,
        })
}

impl Tree {
    fn files(&self) -> Vec<(String, String)> {
        let mut seen = Vec::new();
        let mut documents = Vec::new();
        for app in &self.apps {
            if !seen.contains(&(app.name, app.kind)) {
                seen.push((app.name, app.kind));
                documents.push(app.yaml());
            }
        }
        let mut overlay = String::from("resources: [../base]\nimages: [{name: web, newTag: v2}]\n");
        if let Some(prefix) = &self.prefix {
            let _ = writeln!(overlay, "namePrefix: {prefix}");
        }
        if let Some(namespace) = &self.namespace {
            let _ = writeln!(overlay, "namespace: {namespace}x");
        }
        if self.generated {
            overlay.push_str("configMapGenerator: [{name: made, literals: [a=b]}]\n");
        }
        if self.patched {
            overlay.push_str("patches:\n- target: {kind: Deployment}\n  patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: any}\n    spec: {replicas: 2}\n");
        }
        vec![
            (
                "base/kustomization.yaml".to_owned(),
                "resources: [all.yaml]\n".to_owned(),
            ),
            ("base/all.yaml".to_owned(), documents.join("---\n")),
            ("top/kustomization.yaml".to_owned(), overlay),
        ]
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn building_twice_gives_the_same_bytes(tree in tree()) {
        let files = tree.files();
        let files: Vec<(&str, &str)> =
            files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let first = build_at(&files, "top").map(|build| build.to_yaml());
        let second = build_at(&files, "top").map(|build| build.to_yaml());
        prop_assert!(first.is_ok(), "{:?}", first);
        prop_assert_eq!(first, second);
    }

    #[test]
    fn building_the_output_changes_nothing(tree in tree()) {
        let files = tree.files();
        let files: Vec<(&str, &str)> =
            files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let first = build_at(&files, "top").expect("it can be built").to_yaml();
        let again = [("kustomization.yaml", "resources: [all.yaml]\n"), ("all.yaml", first.as_str())];
        let second = build_files(&again).expect("its output can be built").to_yaml();
        prop_assert_eq!(first, second);
    }

    #[test]
    fn the_output_is_what_the_objects_are(tree in tree()) {
        let files = tree.files();
        let files: Vec<(&str, &str)> =
            files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let build = build_at(&files, "top").expect("it can be built");
        let read = yaml::parse(&build.to_yaml(), &ParseOptions::default()).expect("it is YAML");
        let objects: Vec<_> = build.objects.iter().map(gitops_manifest::Object::to_value).collect();
        prop_assert_eq!(read, objects);
    }

    #[test]
    fn no_kustomization_makes_it_panic(text in "[a-zA-Z:\\[\\]{}#&*!|>'\"%@` \n-]{0,200}") {
        let _ = build_files(&[("kustomization.yaml", text.as_str())]);
    }

    #[test]
    fn no_resource_makes_it_panic(text in "(apiVersion: v1\nkind: [A-Z][a-z]{0,4}(List)?\nmetadata: \\{name: a\\}\n)?[a-z:\\[\\]{}#&*!|>'\"~,0-9 \n-]{0,200}") {
        let kustomization = "resources: [a.yaml]\nnamespace: x\nnamePrefix: p-\ncommonLabels: {a: b}\n";
        let _ = build_files(&[("kustomization.yaml", kustomization), ("a.yaml", text.as_str())]);
    }

    #[test]
    fn no_path_makes_a_replacement_panic(path in "[a-z.0-9\\[\\]=*\\\\-]{0,20}", create in any::<bool>()) {
        let kustomization = format!("resources: [a.yaml]\nreplacements:\n- sourceValue: v\n  targets:\n  - select: {{kind: Pod}}\n    fieldPaths: ['{path}']\n    options: {{create: {create}}}\n");
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {l: [{name: a, b: [1]}], m: {a: 'x: {y: z}'}}\n";
        let _ = build_files(&[("kustomization.yaml", kustomization.as_str()), ("a.yaml", pod)]);
    }
}
