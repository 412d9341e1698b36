//! Assessments: the built-in rule of a typical Deployment, a custom kind by its table, a warm Lua script, a CEL
//! rule.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gitops_health::cel::CelRule;
use gitops_health::lua::{LuaOptions, LuaRule, LuaRuntime};
use gitops_health::{Context, Rules, Strategy, assess};
use gitops_manifest::Object;
use serde_json::json;

fn object(value: serde_json::Value) -> Object {
    Object::try_from(value).expect("an object")
}

fn deployment() -> Object {
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "shop", "generation": 7, "uid": "0b1c", "resourceVersion": "118",
            "labels": {"app": "web", "app.kubernetes.io/instance": "shop"},
            "annotations": {"deployment.kubernetes.io/revision": "7"},
        },
        "spec": {
            "replicas": 3, "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{
                    "name": "web", "image": "registry.example.org/web:1.4.2", "ports": [{"containerPort": 8080}],
                    "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
                }]},
            },
        },
        "status": {
            "observedGeneration": 7, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3,
            "conditions": [
                {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable",
                 "message": "Deployment has minimum availability.",
                 "lastTransitionTime": "2026-08-22T10:00:00Z", "lastUpdateTime": "2026-08-22T10:00:00Z"},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable",
                 "message": "ReplicaSet \"web-5d\" has successfully progressed.",
                 "lastTransitionTime": "2026-08-22T10:00:00Z", "lastUpdateTime": "2026-08-22T10:00:00Z"},
            ],
        },
    }))
}

fn certificate(api_version: &str) -> Object {
    object(json!({
        "apiVersion": api_version, "kind": "Certificate",
        "metadata": {"name": "web", "namespace": "shop", "generation": 1, "labels": {"app": "web"}},
        "spec": {"dnsNames": ["web.example.org"], "secretName": "web-tls", "issuerRef": {"name": "ca"}},
        "status": {
            "observedGeneration": 1, "notAfter": "2026-11-22T10:00:00Z", "revision": 1,
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Ready",
                "message": "Certificate is up to date and has not expired",
                "lastTransitionTime": "2026-08-22T10:00:00Z",
            }],
        },
    }))
}

const SCRIPT: &str = r#"
local hs = {}
if obj.status ~= nil and obj.status.conditions ~= nil then
  for _, condition in ipairs(obj.status.conditions) do
    if condition.type == "Ready" then
      hs.status = condition.status == "True" and "Healthy" or "Degraded"
      hs.message = condition.message
      return hs
    end
  end
end
hs.status = "Progressing"
return hs
"#;

fn health(c: &mut Criterion) {
    let mut group = c.benchmark_group("health");
    group.throughput(Throughput::Elements(1));

    let context = Context::new().with_strategy(Strategy::ArgoCd);
    let deployment = deployment();
    group.bench_function("deployment", |b| {
        b.iter(|| assess(black_box(&deployment), &context));
    });
    let known = certificate("cert-manager.io/v1");
    group.bench_function("certificate", |b| {
        b.iter(|| assess(black_box(&known), &context));
    });

    let own = certificate("example.org/v1");
    let runtime = Arc::new(LuaRuntime::new(LuaOptions::default()));
    let mut lua = Rules::new();
    lua.insert(
        "example.org/Certificate",
        LuaRule::new(&runtime, SCRIPT, false).expect("it parses"),
    );
    let context = Context::new().with_rules(&lua);
    group.bench_function("lua", |b| b.iter(|| assess(black_box(&own), &context)));

    let mut cel = Rules::new();
    let rule = CelRule::new("status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')");
    cel.insert("example.org/Certificate", rule.expect("it parses"));
    let context = Context::new().with_rules(&cel);
    group.bench_function("cel", |b| b.iter(|| assess(black_box(&own), &context)));
    let mut all = Rules::new();
    let rule =
        CelRule::new("size(status.conditions) == 1 && status.conditions[0].status == 'True'");
    all.insert("example.org/Certificate", rule.expect("it parses"));
    let context = Context::new().with_rules(&all);
    group.bench_function("cel-functions", |b| {
        b.iter(|| assess(black_box(&own), &context));
    });
    let mut phase = Rules::new();
    phase.insert(
        "example.org/Certificate",
        CelRule::new("status.revision == 1").expect("it parses"),
    );
    let context = Context::new().with_rules(&phase);
    group.bench_function("cel-field", |b| {
        b.iter(|| assess(black_box(&own), &context));
    });
    group.finish();
}

criterion_group!(benches, health);
criterion_main!(benches);
