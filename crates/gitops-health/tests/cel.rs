//! Rules in CEL, as Flux runs them.

use gitops_health::cel::CelRule;
use gitops_health::{Context, HealthStatus, Rules, assess};
use serde_json::json;

use crate::support;

const CURRENT: &str = "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')";
const FAILED: &str = "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'False')";

fn judge(rule: CelRule, rest: &serde_json::Value) -> (HealthStatus, String) {
    let mut object = json!({"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w", "generation": 2}});
    for (key, value) in rest.as_object().expect("a map") {
        object[key] = value.clone();
    }
    let mut rules = Rules::new();
    rules.insert("example.org/*", rule);
    let health =
        assess(&support::json(object), &Context::new().with_rules(&rules)).expect("a rule");
    (health.status, health.message.to_string())
}

fn ready(status: &str) -> serde_json::Value {
    json!({"status": {"conditions": [
        {"type": "Synced", "status": "True", "reason": "r", "message": "m"},
        {"type": "Ready", "status": status, "reason": "r", "message": "m"},
    ]}})
}

fn rule() -> CelRule {
    CelRule::new(CURRENT)
        .and_then(|rule| rule.failed(FAILED))
        .expect("they parse")
}

#[test]
fn the_first_that_is_true_answers() {
    use HealthStatus::{Degraded, Healthy, Progressing};
    assert_eq!(judge(rule(), &ready("True")).0, Healthy);
    assert_eq!(judge(rule(), &ready("False")).0, Degraded);
    assert_eq!(judge(rule(), &ready("Unknown")).0, Progressing);
    let busy = rule()
        .in_progress("status.conditions.exists(c, c.type == 'Synced')")
        .expect("it parses");
    assert_eq!(judge(busy, &ready("True")).0, Progressing);
    let stale = json!({"status": {"observedGeneration": 1, "conditions": ready("True")["status"]["conditions"]}});
    assert_eq!(judge(rule(), &stale).0, Progressing);
}

#[test]
fn fields_are_found_however_they_are_asked_for() {
    for expression in [
        "has(status.a) && !has(status.b)",
        "status['a'] == 1",
        "status == {'a': 1, 'list': [1, 2], 'text': 'abc', 'quantity': '500m'}",
        "size(status) == 4 && 'a' in status",
        "status.list.map(x, x + status.a) == [2, 3]",
        "status.text.startsWith('ab') && spec.deep.er.value == 2.5",
        "metadata.name == 'w' && metadata.generation == 2 && kind == 'Widget'",
        "quantity(status.quantity).isLessThan(quantity('1'))",
        "[status].exists(s, s.a == 1)",
        "spec.conditions.exists(c, c.type == 'Ready' && c.status == 'True')",
        "spec.conditions.filter(c, c.type == 'Ready').all(c, c.status == 'True' && c.reason == 'Up')",
        "spec.conditions.exists(c, c.type == 'Ready' && spec.conditions.exists(c, c.status == 'False'))",
        "spec.conditions.map(c, c.status) == ['False', 'True']",
        "spec.conditions.map(c, c)[0].reason == 'Down'",
        "spec.conditions.all(c, c.parts.exists(p, p.name == c.type))",
        "spec.conditions.exists(c, c['reason'] == 'Up') && size(spec.conditions) == 2",
        "spec.conditions.exists_one(c, has(c.status) && !has(c.reasons) && c.type == 'Ready')",
        "spec.conditions.filter(c, true).filter(c, c.type == 'Live')[0].reason == 'Down'",
        "spec.deep.exists(key, key == 'er') && spec.deep.er.exists(key, spec.deep.er[key] == 2.5)",
        "spec.conditions[1].parts.all(p, p.name == 'Ready')",
    ] {
        let object = json!({
            "status": {"a": 1, "list": [1, 2], "text": "abc", "quantity": "500m"},
            "spec": {"deep": {"er": {"value": 2.5}}, "conditions": [
                {"type": "Live", "status": "False", "reason": "Down", "parts": [{"name": "Live", "of": 1}]},
                {"type": "Ready", "status": "True", "reason": "Up", "parts": [{"name": "Ready", "of": 2}]},
            ]},
        });
        let verdict = judge(CelRule::new(expression).expect("it parses"), &object);
        assert_eq!(
            verdict,
            (HealthStatus::Healthy, String::new()),
            "{expression}"
        );
    }
}

#[test]
fn what_goes_wrong_is_told() {
    let (status, message) = judge(rule(), &json!({}));
    assert_eq!(status, HealthStatus::Unknown);
    assert!(
        message.starts_with("cannot evaluate \"status.conditions"),
        "{message}"
    );
    let (status, message) = judge(
        CelRule::new("metadata.name").expect("it parses"),
        &json!({}),
    );
    assert_eq!(status, HealthStatus::Unknown);
    assert_eq!(
        message,
        "the expression \"metadata.name\" gives a string, not a boolean"
    );
}

#[test]
fn what_could_do_harm_is_refused() {
    let deep = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
    let loops = "[1].all(a, [1].all(b, [1].all(c, [1].all(d, [1].all(e, true)))))";
    let long = format!("'{}' == ''", "x".repeat(20_000));
    for (expression, why) in [
        ("status.", ""),
        ("", ""),
        (deep.as_str(), "it is nested deeper than 48 levels"),
        (&"!".repeat(5000), "it is nested deeper than 48 levels"),
        (loops, "loops are nested deeper than 4 levels"),
        (&long, "it is longer than 16384 bytes"),
    ] {
        let error = CelRule::new(expression).expect_err("it is refused");
        assert!(error.why.contains(why), "{error}");
    }
}
