//! Charts in memory, and what hosts do with them.

use std::sync::{Arc, Mutex};

use gitops_helm::{
    Action, Chart, Error, HelmVersion, HookEvent, KubeVersion, Lookup, PostRender, RenderOptions,
    Rendered, Values, render,
};
use gitops_manifest::{MemoryTree, Value};

/// Loads a chart whose files are given after a `Chart.yaml`.
fn chart(files: &[(&str, &str)]) -> Result<Chart, Error> {
    let own = [("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n")];
    let tree = MemoryTree::from_iter(own.iter().chain(files).copied());
    Chart::load(&tree, "")
}

fn try_render(files: &[(&str, &str)], options: &RenderOptions) -> Result<Rendered, Error> {
    render(&chart(files)?, &Values::new(), options)
}

fn text(files: &[(&str, &str)]) -> String {
    match try_render(files, &RenderOptions::default()) {
        Ok(rendered) => rendered.to_yaml(),
        Err(error) => format!("Error: {}", error.helm_text()),
    }
}

const HOOKS: &str = "\
kind: Job
metadata: {name: late, annotations: {helm.sh/hook: pre-install, helm.sh/hook-weight: \"5\"}}
---
kind: Job
metadata: {name: early, annotations: {helm.sh/hook: \"pre-install, test\", helm.sh/hook-weight: \"-1\", helm.sh/hook-delete-policy: \"hook-succeeded,before-hook-creation\"}}
---
kind: Job
metadata: {name: up, annotations: {helm.sh/hook: pre-upgrade}}
---
kind: Job
metadata: {name: odd, annotations: {helm.sh/hook: pre-intsall}}
---
kind: Service
metadata: {name: plain}
";

#[test]
fn hooks_are_told_by_event() {
    let rendered = try_render(&[("templates/a.yaml", HOOKS)], &RenderOptions::default())
        .expect("a proper chart");
    let names = |event| -> Vec<&str> {
        let hooks = rendered.hooks_for(event);
        hooks.iter().map(|hook| hook.name.as_str()).collect()
    };
    assert_eq!(names(HookEvent::PreInstall), ["early", "late"]);
    assert_eq!(names(HookEvent::PreUpgrade), ["up"]);
    assert_eq!(names(HookEvent::Test), ["early"]);
    assert_eq!(
        rendered.hooks[1].delete_policies,
        ["hook-succeeded", "before-hook-creation"]
    );
    assert_eq!(rendered.manifests.len(), 1);
    assert_eq!(
        rendered.warnings,
        ["info: skipping unknown hook: \"pre-intsall\""]
    );
    assert_eq!(
        Action::Upgrade.hook_events(),
        [HookEvent::PreUpgrade, HookEvent::PostUpgrade]
    );
}

#[test]
fn hooks_and_tests_can_be_left_out() {
    let mut options = RenderOptions::default();
    options.skip_tests = true;
    let files = [("templates/a.yaml", HOOKS)];
    let output = try_render(&files, &options)
        .expect("a proper chart")
        .to_yaml();
    assert!(
        output.contains("late") && !output.contains("early"),
        "{output}"
    );
    options.no_hooks = true;
    let output = try_render(&files, &options).expect("a proper chart");
    assert_eq!(
        output.to_yaml(),
        "---\n# Source: web/templates/a.yaml\nkind: Service\nmetadata: {name: plain}\n"
    );
}

#[test]
fn actions_are_seen_by_templates() {
    let template = "a: {{ .Release.IsInstall }} {{ .Release.IsUpgrade }} {{ .Release.Revision }}";
    for (action, want) in [
        (Action::Template, "true false"),
        (Action::Install, "true false"),
        (Action::Upgrade, "false true"),
        (Action::Rollback, "false false"),
    ] {
        let mut options = RenderOptions::default();
        options.release.action = action;
        options.release.revision = 7;
        let rendered =
            try_render(&[("templates/a.yaml", template)], &options).expect("a proper chart");
        assert_eq!(rendered.manifests[0].text(), format!("a: {want} 7"));
    }
}

#[test]
fn a_template_without_data_finds_nothing() {
    let helpers = "{{ define \"x\" }}[{{ .a.b.c }}]{{ end }}";
    let template = "a: {{ include \"x\" .Values.none }}{{ tpl \"{{ .a.b }}\" nil }}";
    let output = text(&[
        ("templates/_h.tpl", helpers),
        ("templates/a.yaml", template),
    ]);
    assert_eq!(output, "---\n# Source: web/templates/a.yaml\na: []\n");
}

struct Cluster;

impl Lookup for Cluster {
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, String> {
        match (api_version, kind, namespace, name) {
            ("v1", "Secret", "demo", "db") => {
                let found = serde_json::json!({"data": {"password": "c2VjcmV0"}, "n": 3});
                Ok(Some(found.into()))
            }
            ("v1", "Broken", ..) => Err("no such kind".to_owned()),
            _ => Ok(None),
        }
    }
}

#[test]
fn lookup_asks_the_host() {
    let files = [(
        "templates/a.yaml",
        r#"a: {{ (lookup "v1" "Secret" "demo" "db").data.password }}
b: {{ lookup "v1" "Secret" "demo" "none" }}
"#,
    )];
    let mut options = RenderOptions::default();
    options.lookup = Some(Arc::new(Cluster));
    let rendered = try_render(&files, &options).expect("a proper chart");
    assert_eq!(rendered.manifests[0].text(), "a: c2VjcmV0\nb: map[]");

    let files = [("templates/a.yaml", r#"{{ lookup "v1" "Broken" "" "" }}"#)];
    let error = try_render(&files, &options)
        .expect_err("a lookup that fails")
        .helm_text();
    assert!(
        error.ends_with("error calling lookup: no such kind"),
        "{error}"
    );
}

struct Upper;

impl PostRender for Upper {
    fn post_render(
        &self,
        manifests: String,
    ) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        if manifests.contains("refuse") {
            return Err("it was refused".into());
        }
        Ok(manifests.replace("plain", "dressed"))
    }
}

#[test]
fn a_post_renderer_works_on_manifests_and_not_on_hooks() {
    let hook = "kind: Pod\nmetadata: {name: plain, annotations: {helm.sh/hook: test}}";
    let files = [
        ("templates/a.yaml", "kind: Service\nmetadata: {name: plain}"),
        ("templates/b.yaml", hook),
    ];
    let mut options = RenderOptions::default();
    options.post_render = Some(Arc::new(Upper));
    let rendered = try_render(&files, &options).expect("a proper chart");
    assert_eq!(
        rendered.to_yaml(),
        format!(
            "---\n# Source: web/templates/a.yaml\nkind: Service\nmetadata: {{name: dressed}}\n\
             ---\n# Source: web/templates/b.yaml\n{hook}\n"
        )
    );
    let error = try_render(&[("templates/a.yaml", "a: refuse")], &options).expect_err("refused");
    assert_eq!(
        error.helm_text(),
        "error while running post render on files: it was refused"
    );
}

#[test]
fn a_chart_renders_the_same_from_every_thread() {
    let chart = chart(&[
        ("values.yaml", "n: 1\nlist: [a, b]\n"),
        (
            "templates/_h.tpl",
            r#"{{ define "x" }}{{ tpl "{{ .Values.n }}" . }}{{ end }}"#,
        ),
        (
            "templates/a.yaml",
            r#"n: {{ include "x" . }}{{ $_ := set .Values "n" 9 }}"#,
        ),
    ])
    .expect("a proper chart");
    std::thread::scope(|scope| {
        for n in 1..8 {
            let chart = &chart;
            scope.spawn(move || {
                for _ in 0..20 {
                    let mut values = Values::new();
                    values.set(&format!("n={n}")).expect("an assignment");
                    let rendered =
                        render(chart, &values, &RenderOptions::default()).expect("a proper chart");
                    assert_eq!(rendered.manifests[0].text(), format!("n: {n}"));
                }
            });
        }
    });
}

#[test]
fn objects_are_read_in_the_order_of_the_output() {
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: c}\n";
    let files = [
        ("crds/c.yaml", crd),
        (
            "templates/a.yaml",
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\n# nothing\n",
        ),
        (
            "templates/b.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: b}\n",
        ),
    ];
    let mut options = RenderOptions::default();
    options.include_crds = true;
    let rendered = try_render(&files, &options).expect("a proper chart");
    let objects = rendered.objects().expect("objects");
    let names: Vec<&str> = objects.iter().map(gitops_manifest::Object::name).collect();
    assert_eq!(names, ["c", "b", "a"]);
}

/// What Helm 3.22 says of each.
#[test]
fn errors_are_helms() {
    for (files, want) in [
        (
            &[("templates/a.yaml", "a: {{ fail \"no\" }}")] as &[(&str, &str)],
            "execution error at (web/templates/a.yaml:1:6): no",
        ),
        (
            &[("templates/a.yaml", "a: [b")],
            "YAML parse error on web/templates/a.yaml: error converting YAML to JSON: yaml: line 1: did not find expected \
             ',' or ']'",
        ),
        (
            &[(
                "templates/a.yaml",
                "kind: A\nmetadata: {annotations: {x: [1]}}",
            )],
            "YAML parse error on web/templates/a.yaml: error unmarshaling JSON: while decoding JSON: json: cannot \
             unmarshal array into Go struct field .metadata.annotations of type string",
        ),
        (
            &[("values.yaml", "- a")],
            "cannot load values.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array \
             into Go value of type map[string]interface {}",
        ),
        (
            &[("charts/sub/Chart.yaml", "name: sub")],
            "error unpacking subchart sub in web: validation: chart.metadata.version is required",
        ),
        (
            &[
                ("charts/sub/Chart.yaml", "name: sub\nversion: 1.0.0"),
                ("values.yaml", "sub: text"),
            ],
            "type mismatch on sub: %!t(string=text)",
        ),
    ] {
        assert_eq!(text(files), format!("Error: {want}"));
    }
}

#[test]
fn names_of_releases_are_checked() {
    for (name, valid) in [
        ("a", true),
        ("a-b.c9", true),
        ("", false),
        ("A", false),
        ("-a", false),
        ("a-", false),
        ("a..b", false),
        ("a_b", false),
        (&"a".repeat(53), true),
        (&"a".repeat(54), false),
    ] {
        let mut options = RenderOptions::default();
        options.release.name = name.to_owned();
        assert_eq!(try_render(&[], &options).is_ok(), valid, "{name:?}");
    }
}

#[test]
fn random_functions_follow_the_seed() {
    let files = [("templates/a.yaml", "a: {{ randAlphaNum 20 }} {{ uuidv4 }}")];
    let output = |seed| {
        let mut options = RenderOptions::default();
        options.seed = seed;
        try_render(&files, &options)
            .expect("a proper chart")
            .to_yaml()
    };
    assert_eq!(output(1), output(1));
    assert_ne!(output(1), output(2));
}

#[test]
fn schemas_are_not_fetched() {
    let schema = r#"{"properties": {"a": {"$ref": "https://example.com/schema.json"}}}"#;
    let output = text(&[("values.schema.json", schema), ("templates/a.yaml", "a: 1")]);
    assert!(
        output.contains("failing loading \"https://example.com/schema.json\""),
        "{output}"
    );
}

#[test]
fn dates_of_toml_are_text() {
    let template =
        r#"a: {{ (fromToml "d = 1979-05-27").d }} {{ typeOf (fromToml "d = 1979-05-27").d }}"#;
    let output = text(&[("templates/a.yaml", template)]);
    assert_eq!(
        output,
        "---\n# Source: web/templates/a.yaml\na: 1979-05-27 string\n"
    );
}

#[test]
fn charts_within_charts_end() {
    let mut tree = MemoryTree::new();
    let mut folder = String::new();
    for depth in 0..40 {
        let path = format!("{folder}Chart.yaml");
        let text = format!("apiVersion: v2\nname: c{depth}\nversion: 1.0.0\n");
        tree.insert(&path, text.as_bytes()).expect("a path");
        folder.push_str("charts/sub/");
    }
    let error = Chart::load(&tree, "")
        .expect_err("too many charts")
        .helm_text();
    assert!(
        error.ends_with("charts are nested deeper than 32 levels"),
        "{error}"
    );
}

/// What Helm 4.3.1 prints.
#[test]
fn helm_4_keeps_the_space_at_the_end_of_documents() {
    for (template, want) in [
        (
            "a: |+\n  x\n\n---\nb: 2\n",
            "---\n# Source: web/templates/a.yaml\na: |+\n  x\n\n\n---\n# Source: web/templates/a.yaml\nb: 2\n",
        ),
        (
            "---\na: 1\n\n\n---\n---\nb: 2",
            "---\n# Source: web/templates/a.yaml\na: 1\n\n\n\n---\n# Source: web/templates/a.yaml\nb: 2\n",
        ),
        (
            "\n\na: 1\n\n",
            "---\n# Source: web/templates/a.yaml\na: 1\n",
        ),
    ] {
        let mut options = RenderOptions::default();
        options.helm_version = HelmVersion::V4;
        let rendered = try_render(&[("templates/a.yaml", template)], &options);
        assert_eq!(rendered.expect("a proper chart").to_yaml(), want);
    }
}

/// Where Helm 4.3 splits and sorts in other ways.
#[test]
fn helm_4_splits_and_sorts_by_its_own_rules() {
    let files = [(
        "templates/a.yaml",
        "kind: Abc\n---\nkind: ValidatingWebhookConfiguration\n---\nkind: APIService\n",
    )];
    let kinds = |helm_version| -> Vec<String> {
        let mut options = RenderOptions::default();
        options.helm_version = helm_version;
        let rendered = try_render(&files, &options).expect("a proper chart");
        let manifests = rendered.manifests.iter();
        manifests
            .map(|manifest| manifest.kind().to_owned())
            .collect()
    };
    let webhooks = "ValidatingWebhookConfiguration";
    assert_eq!(kinds(HelmVersion::V3), ["APIService", "Abc", webhooks]);
    assert_eq!(kinds(HelmVersion::V4), ["APIService", webhooks, "Abc"]);
}

#[test]
fn the_version_of_kubernetes_is_a_struct_where_it_was_copied() {
    // The methods of the version need its address, which a copy of it does not have.
    let copies = r#"a: |
  {{ .Capabilities.KubeVersion }} {{ .Capabilities.KubeVersion.Version }} {{ .Capabilities.KubeVersion.String }} {{ .Capabilities.KubeVersion.GitVersion }} {{ toJson .Capabilities.KubeVersion }}
  {{ $v := .Capabilities.KubeVersion }}{{ $v }} {{ with $v }}{{ . }}{{ end }} {{ print $v }} {{ toString $v }} {{ quote $v }}
  {{ $v | squote }} {{ cat $v }} {{ html $v }} {{ default "a" $v }} {{ join "," (list $v) }} {{ dict "a" $v }}
  {{ printf "%+v %s %q %#v" $v $v $v $v }}
  {{ printf "%v" .Capabilities | trunc 34 }}
"#;
    let want = r#"---
# Source: web/templates/a.yaml
a: |
  v1.31.4 v1.31.4 v1.31.4 v1.31.4 {"Version":"v1.31.4","Major":"1","Minor":"31"}
  v1.31.4 v1.31.4 {v1.31.4 1 31} {v1.31.4 1 31} "{v1.31.4 1 31}"
  '{v1.31.4 1 31}' {v1.31.4 1 31} {v1.31.4 1 31} {v1.31.4 1 31} {v1.31.4 1 31} map[a:{v1.31.4 1 31}]
  {Version:v1.31.4 Major:1 Minor:31} {v1.31.4 1 31} {"v1.31.4" "1" "31"} chartutil.KubeVersion{Version:"v1.31.4", Major:"1", Minor:"31"}
  &{{v1.31.4 1 31} [v1 admissionregi
"#;
    let mut options = RenderOptions::default();
    options.capabilities.kube_version = KubeVersion::parse("v1.31.4-gke.5").expect("a version");
    let rendered = |template| {
        try_render(&[("templates/a.yaml", template)], &options)
            .expect("a proper chart")
            .to_yaml()
    };
    assert_eq!(rendered(copies), want);
    // What a pointer points at is printed without a sign for that.
    let itself = rendered("a: |\n  {{ .Capabilities }}\n");
    assert!(
        itself.contains("\n  {{v1.31.4 1 31} [v1 admissionregistration.k8s.io/v1 "),
        "{itself}"
    );
}

#[test]
fn where_a_format_is_wrong_nothing_else_is_said_of_it() {
    let schema = r#"{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
        "properties": {"s": {"type": "string", "minLength": 5, "pattern": "^x", "format": "email"}}}"#;
    let output = text(&[
        ("values.schema.json", schema),
        ("values.yaml", "s: xa\n"),
        ("templates/a.yaml", "kind: X\n"),
    ]);
    let want = "Error: values don't meet the specifications of the schema(s) in the following chart(s):\n\
                web:\n- at '/s': 'xa' is not valid email: missing @\n\n";
    assert_eq!(output.trim_end(), want.trim_end());
}

#[test]
fn warnings_are_told_where_the_render_fails_too() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let mut options = RenderOptions::default();
    options.on_warning = Some(Arc::new(move |warning: &str| {
        let mut told = heard.lock().expect("not poisoned");
        told.push(warning.to_owned());
    }));
    let metadata = "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n\
                    - {name: sub, version: 1.0.0, condition: sub.use, import-values: [{child: none, parent: q}]}\n";
    let files = [
        ("Chart.yaml", metadata),
        ("values.yaml", "sub: {use: maybe}\n"),
        (
            "charts/sub/Chart.yaml",
            "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
        ),
        ("templates/a.yaml", "{{ fail \"no\" }}"),
    ];
    let error = try_render(&files, &options).expect_err("the template fails");
    assert_eq!(
        error.helm_text(),
        "execution error at (web/templates/a.yaml:1:3): no"
    );
    assert_eq!(
        *told.lock().expect("not poisoned"),
        [
            "Warning: Condition path 'sub.use' for chart sub returned non-bool value",
            "Warning: ImportValues missing table from chart sub: \"none\" is not a table",
        ]
    );
}

#[test]
fn violations_of_a_schema_come_in_order() {
    let schema = r#"{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
        "properties": {"b": {"type": "integer"}, "a": {"type": "integer"},
            "c": {"propertyNames": {"maxLength": 2}}}}"#;
    let output = text(&[
        ("values.schema.json", schema),
        ("values.yaml", "b: x\na: x\nc: {longname: 1}\n"),
        ("templates/a.yaml", "kind: X\n"),
    ]);
    let want = "\
Error: values don't meet the specifications of the schema(s) in the following chart(s):
web:
- at '/a': got string, want integer
- at '/b': got string, want integer
- at '/c': invalid propertyName 'longname'
  - at '': maxLength: got 8, want 2
";
    assert_eq!(output.trim_end(), want.trim_end());
}
