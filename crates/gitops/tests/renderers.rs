//! The renderers of the parts, as renderers of the engine.

use gitops::application::{ApplicationSource, KustomizeReplica, KustomizeSource};
use gitops::manifest::{MemoryTree, Value};
use gitops::memory::MemorySource;
use gitops::{
    Charts, KustomizeRenderer, RemoteBases, RenderError, RenderOptions, Rendered, Renderer,
};

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  template: {spec: {containers: [{name: web, image: \"web:1\"}]}}
";

fn render(
    renderer: &KustomizeRenderer,
    files: &[(&str, &str)],
    settings: Option<KustomizeSource>,
) -> Result<Rendered, RenderError> {
    let tree: MemoryTree = files.iter().copied().collect();
    let source = ApplicationSource {
        kustomize: settings,
        ..ApplicationSource::git("r", "app", "main")
    };
    renderer.render(
        &tree,
        "app",
        &RenderOptions::new("web", "shop", "1", source),
    )
}

#[test]
fn settings_of_an_application_go_over_its_kustomization() {
    let settings = KustomizeSource {
        name_prefix: "new-".into(),
        images: vec!["web=registry.example.com:5000/web:2".into()],
        replicas: vec![KustomizeReplica {
            name: "web".into(),
            count: Value::from("3"),
        }],
        common_labels: [("team".to_owned(), "shop".to_owned())].into(),
        label_without_selector: true,
        namespace: "store".into(),
        ..KustomizeSource::default()
    };
    let files = [
        (
            "app/kustomization.yaml",
            "resources: [web.yaml]\nnamePrefix: old-\n",
        ),
        ("app/web.yaml", DEPLOYMENT),
    ];
    let rendered =
        render(&KustomizeRenderer::default(), &files, Some(settings)).expect("it renders");
    let object = &rendered.objects[0];
    assert_eq!((object.namespace(), object.name()), ("store", "new-web"));
    assert_eq!(object.label("team"), Some("shop"));
    assert_eq!(
        object.at(&["spec", "replicas"]).and_then(Value::as_i64),
        Some(3)
    );
    let containers = object
        .at(&["spec", "template", "spec", "containers"])
        .expect("containers");
    let image = containers.pointer("/0/image").and_then(Value::as_str);
    assert_eq!(image, Some("registry.example.com:5000/web:2"));
}

#[test]
fn remote_bases_come_out_of_a_source() {
    let source = MemorySource::new();
    let commit = source.commit(
        "https://git.example.com/base.git",
        "main",
        [
            ("web/kustomization.yaml", "resources: [web.yaml]\n"),
            ("web/web.yaml", DEPLOYMENT),
        ],
    );
    source.tag("https://git.example.com/base.git", "v1", &commit);
    let files = [(
        "app/kustomization.yaml",
        "resources: ['https://git.example.com/base.git//web?ref=v1']\nnamespace: shop\n",
    )];
    let refused = render(&KustomizeRenderer::default(), &files, None);
    assert!(
        matches!(refused, Err(RenderError::Invalid { .. })),
        "without a loader"
    );
    let renderer = KustomizeRenderer::default().with_remote(RemoteBases::new(source));
    let rendered = render(&renderer, &files, None).expect("it renders");
    assert_eq!(
        rendered.objects[0].key().to_string(),
        "apps/Deployment/shop/web"
    );
}

#[test]
fn charts_of_a_kustomization_are_rendered_in_process() {
    let files = [
        (
            "app/kustomization.yaml",
            "helmCharts:\n- name: hello\n  releaseName: greet\n  valuesInline: {who: world}\n",
        ),
        (
            "app/charts/hello/Chart.yaml",
            "apiVersion: v2\nname: hello\nversion: 0.1.0\n",
        ),
        (
            "app/charts/hello/templates/c.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\ndata: {who: '{{ .Values.who }}'}\n",
        ),
    ];
    let renderer = KustomizeRenderer::default().with_helm(Charts::default());
    let rendered = render(&renderer, &files, None).expect("it renders");
    let object = &rendered.objects[0];
    assert_eq!(object.name(), "greet");
    assert_eq!(
        object.at(&["data", "who"]).and_then(Value::as_str),
        Some("world")
    );
}
