//! Charts loaded and rendered: the first time, and again with other values.
//!
//! The charts are made here, after the manner of real ones: a small one of three files, and a large one of many
//! templates that share helpers, with long custom resource definitions among them. A folder of recorded charts
//! named by `GITOPS_CONFORMANCE` adds real ones.
#![allow(clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use gitops_helm::{Chart, RenderOptions, Values, render};
use gitops_manifest::MemoryTree;

const HELPERS: &str = r#"
{{- define "app.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- define "app.labels" -}}
app.kubernetes.io/name: {{ include "app.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
{{- define "app.render" -}}
{{- $value := typeIs "string" .value | ternary .value (.value | toYaml) }}
{{- if contains "{{" (toJson .value) }}{{ tpl $value .context }}{{ else }}{{ $value }}{{ end -}}
{{- end -}}
"#;

const WORKLOAD: &str = r#"{{- $component := index .Values.components "NAME" }}
{{- if $component.enabled }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ printf "%s-NAME" (include "app.name" .) }}
  namespace: {{ .Release.Namespace | quote }}
  labels: {{- include "app.labels" . | nindent 4 }}
    app.kubernetes.io/component: NAME
  {{- if $component.annotations }}
  annotations: {{- include "app.render" (dict "value" $component.annotations "context" $) | nindent 4 }}
  {{- end }}
spec:
  replicas: {{ $component.replicas }}
  selector:
    matchLabels: {{- include "app.labels" . | nindent 6 }}
  template:
    spec:
      containers:
        - name: NAME
          image: {{ printf "%s/%s:%v" .Values.registry $component.image (default .Chart.AppVersion $component.tag) }}
          {{- range $i, $port := $component.ports }}
          {{- if eq $i 0 }}
          ports:
          {{- end }}
            - containerPort: {{ $port.port | int }}
              name: {{ $port.name | lower | trunc 15 }}
          {{- end }}
          resources: {{- toYaml $component.resources | nindent 12 }}
          env:
            {{- range $key, $value := $component.env }}
            - name: {{ $key | upper | replace "-" "_" }}
              value: {{ $value | quote }}
            {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "app.name" . }}-NAME
  labels: {{- include "app.labels" . | nindent 4 }}
spec:
  ports:
    {{- range $component.ports }}
    - port: {{ .port }}
      name: {{ .name }}
    {{- end }}
{{- end }}
"#;

/// Makes a chart of so many components, each with a custom resource definition of so many fields.
fn chart_files(components: usize, fields: usize) -> MemoryTree {
    let mut values =
        "registry: registry.example.com\ncommonLabels: {team: shop}\ncomponents:\n".to_owned();
    let mut tree = MemoryTree::new();
    let mut add = |path: &str, text: &str| {
        tree.insert(path, text.as_bytes()).expect("a proper path");
    };
    add(
        "Chart.yaml",
        "apiVersion: v2\nname: app\nversion: 1.2.3\nappVersion: 4.5.6\n",
    );
    add("templates/_helpers.tpl", HELPERS);
    for i in 0..components {
        let name = format!("part{i}");
        let _ = write!(
            values,
            "  {name}:\n    enabled: true\n    replicas: 2\n    image: shop/{name}\n    ports:\n    - {{name: http, port: 8080}}\n    \
             - {{name: metrics, port: 9090}}\n    resources:\n      limits: {{cpu: 100m, memory: 128Mi}}\n      requests: {{cpu: 50m}}\n    \
             annotations:\n      checksum: '{{{{ .Release.Name | sha256sum }}}}'\n      plain: text\n    env:\n      log-level: info\n      \
             database-url: postgres://db:5432/shop\n"
        );
        add(
            &format!("templates/{name}.yaml"),
            &WORKLOAD.replace("NAME", &name),
        );
        let mut crd = format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: {name}s.example.com\nspec:\n  \
             versions:\n  - name: v1\n    schema:\n      openAPIV3Schema:\n        properties:\n"
        );
        for field in 0..fields {
            let _ = write!(
                crd,
                "          field{field}:\n            description: |-\n              What this field is for, told at some length,\n              \
                 so that the definition is as long as real ones are.\n            type: string\n"
            );
        }
        if fields > 0 {
            add(&format!("templates/crd-{name}.yaml"), &crd);
        }
    }
    add("values.yaml", &values);
    tree
}

fn bench_chart(criterion: &mut Criterion, name: &str, load: &dyn Fn() -> Chart) {
    let options = RenderOptions::default();
    let values = Values::new();
    let mut group = criterion.benchmark_group(format!("helm/{name}"));
    group.bench_function("load", |bencher| bencher.iter(|| black_box(load())));
    group.bench_function("load-and-render", |bencher| {
        bencher.iter(|| {
            let rendered = render(&load(), &values, &options).expect("it renders");
            black_box(rendered.to_yaml())
        });
    });
    let chart = load();
    group.bench_function("render-again", |bencher| {
        bencher.iter(|| {
            let rendered = render(&chart, &values, &options).expect("it renders");
            black_box(rendered.to_yaml())
        });
    });
    group.finish();
}

fn helm(criterion: &mut Criterion) {
    for (name, components, fields) in [("small", 1, 0), ("large", 40, 150)] {
        let tree = chart_files(components, fields);
        let load = || Chart::load(&tree, "").expect("a proper chart");
        bench_chart(criterion, name, &load);
    }
    let Ok(recorded) = std::env::var("GITOPS_CONFORMANCE") else {
        return;
    };
    for name in [
        "bitnami-postgresql-v16",
        "kube-prometheus-stack-v80",
        "argo-cd-v8",
    ] {
        let path = Path::new(&recorded)
            .join("helm/real")
            .join(name)
            .join("chart.tgz");
        if let Ok(bytes) = std::fs::read(path) {
            let load = || Chart::from_archive(&bytes).expect("a proper chart");
            bench_chart(criterion, name, &load);
        }
    }
}

criterion_group!(benches, helm);
criterion_main!(benches);
