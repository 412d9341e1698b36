//! Gateway API, and the policies of Envoy Gateway.

use super::table::*;

pub(super) static TABLE: &[Entry] = &[
    steps(
        "gateway.networking.k8s.io",
        "BackendTLSPolicy",
        &[Ask(backend_tls)],
        Progressing,
        Text("Waiting for BackendTLSPolicy status"),
    ),
    steps(
        "gateway.networking.k8s.io",
        "GRPCRoute",
        &[Ask(route)],
        Progressing,
        Text("Waiting for GRPCRoute status"),
    ),
    steps(
        "gateway.networking.k8s.io",
        "Gateway",
        &[Ask(gateway)],
        Progressing,
        Text("Waiting for Gateway status"),
    ),
    steps(
        "gateway.networking.k8s.io",
        "GatewayClass",
        &[Ask(class)],
        Progressing,
        Text("Waiting for GatewayClass status"),
    ),
    steps(
        "gateway.networking.k8s.io",
        "HTTPRoute",
        &[Ask(route)],
        Progressing,
        Text("Waiting for HTTPRoute status"),
    ),
    steps(
        "gateway.networking.k8s.io",
        "ListenerSet",
        &[Ask(listener_set)],
        Progressing,
        Text("Waiting for ListenerSet status"),
    ),
    steps(
        "gateway.networking.k8s.io",
        "TLSRoute",
        &[Ask(tls_route)],
        Progressing,
        Text("Waiting for TLSRoute status"),
    ),
    steps(
        "gateway.envoyproxy.io",
        "Backend",
        &[Ask(envoy_backend)],
        Progressing,
        Text("Waiting for Backend status"),
    ),
    steps(
        "gateway.envoyproxy.io",
        "BackendTrafficPolicy",
        &[Ask(envoy_policy)],
        Progressing,
        Text("Waiting for BackendTrafficPolicy status"),
    ),
    steps(
        "gateway.envoyproxy.io",
        "ClientTrafficPolicy",
        &[Ask(envoy_policy)],
        Progressing,
        Text("Waiting for ClientTrafficPolicy status"),
    ),
    steps(
        "gateway.envoyproxy.io",
        "EnvoyExtensionPolicy",
        &[Ask(envoy_policy)],
        Progressing,
        Text("Waiting for EnvoyExtensionPolicy status"),
    ),
    steps(
        "gateway.envoyproxy.io",
        "EnvoyPatchPolicy",
        &[Ask(envoy_policy)],
        Progressing,
        Text("Waiting for EnvoyPatchPolicy status"),
    ),
    steps(
        "gateway.envoyproxy.io",
        "SecurityPolicy",
        &[Ask(envoy_policy)],
        Progressing,
        Text("Waiting for SecurityPolicy status"),
    ),
];

/// Whether a condition tells of another generation than the object's; without either it does not.
fn is_stale(object: &Object, condition: Condition<'_>) -> bool {
    match (
        view::at(object, &["metadata", "generation"]),
        view::get(condition.0, "observedGeneration"),
    ) {
        (Some(generation), Some(observed)) => generation != observed,
        _ => false,
    }
}

/// Whether a parent or ancestor has seen the object as it is now.
fn has_seen(object: &Object, parent: &Value) -> bool {
    if view::at(object, &["metadata", "generation"]).is_none() {
        return true;
    }
    let conditions = view::conditions_of(parent.get("conditions"));
    conditions.clone().next().is_some() && !conditions.clone().any(|c| is_stale(object, c))
}

/// Whether the parent tells anything, and of the object as it is now.
fn tells(object: &Object, parent: &Value) -> bool {
    !view::list(parent.get("conditions")).is_empty() && has_seen(object, parent)
}

fn parent_name<'a>(parent: &'a Value, reference: &str) -> &'a str {
    parent
        .at(&[reference, "name"])
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Finds what hinders a route or gateway: references that cannot be resolved, then not being accepted, then
/// not being programmed yet.
fn hindrance(
    object: &Object,
    conditions: Option<&Value>,
    programming: &'static str,
) -> Option<Verdict> {
    let conditions = || view::conditions_of(conditions);
    for (kind, text) in [
        ("ResolvedRefs", "Failed condition: ResolvedRefs"),
        ("Accepted", "Failed condition: Accepted"),
    ] {
        if let Some(failed) = conditions().find(|c| c.kind() == kind && c.is_false()) {
            return Some(MessageOr(text).verdict(Degraded, object, Some(failed)));
        }
    }
    conditions()
        .find(|c| c.kind() == "Programmed" && !c.is_true())
        .map(|pending| MessageOr(programming).verdict(Progressing, object, Some(pending)))
}

/// Puts words before a verdict's message.
fn told_by(who: std::fmt::Arguments<'_>, mut verdict: Verdict) -> Verdict {
    verdict.message = format!("{who}: {}", verdict.message).into();
    verdict
}

fn healthy(object: &Object) -> Verdict {
    Verdict::new(Healthy, format!("{} is healthy", object.kind()))
}

/// Judges a route by its parents. For routes of HTTP a parent that has not seen the route as it is now does
/// not count.
fn route(object: &Object) -> Option<Verdict> {
    let by_generation = object.kind() == "HTTPRoute";
    let parents = view::list(object.at(&["status", "parents"]));
    for parent in parents {
        let conditions = view::get(parent, "conditions");
        if conditions.is_none() || by_generation && !has_seen(object, parent) {
            continue;
        }
        if let Some(verdict) = hindrance(object, conditions, "Route is still being programmed") {
            let name = parent_name(parent, "parentRef");
            return Some(told_by(format_args!("Parent {name}"), verdict));
        }
    }
    let told = |parent: &Value| {
        if by_generation {
            tells(object, parent)
        } else {
            !view::list(parent.get("conditions")).is_empty()
        }
    };
    parents.iter().any(told).then(|| healthy(object))
}

fn gateway(object: &Object) -> Option<Verdict> {
    let conditions = view::at(object, &["status", "conditions"]);
    if let Some(verdict) = hindrance(object, conditions, "Gateway is still being programmed") {
        return Some(verdict);
    }
    let listeners = view::list(object.at(&["status", "listeners"]));
    for listener in listeners {
        let told = hindrance(
            object,
            listener.get("conditions"),
            "Listener is still being programmed",
        );
        if let Some(verdict) = told {
            return Some(told_by(format_args!("Listener"), verdict));
        }
    }
    (conditions.is_some() || !listeners.is_empty()).then(|| healthy(object))
}

fn class(object: &Object) -> Option<Verdict> {
    let accepted =
        view::conditions(object).find(|c| c.kind() == "Accepted" && !is_stale(object, *c))?;
    let (status, text) = match accepted.status() {
        "True" => (Healthy, "GatewayClass is accepted"),
        "False" => (Degraded, "GatewayClass is not accepted"),
        _ => (Progressing, "Waiting for GatewayClass status"),
    };
    Some(MessageOr(text).verdict(status, object, Some(accepted)))
}

fn backend_tls(object: &Object) -> Option<Verdict> {
    let ancestors = view::list(object.at(&["status", "ancestors"]));
    for ancestor in ancestors {
        let stale = view::conditions_of(ancestor.get("conditions")).any(|c| is_stale(object, c));
        if stale {
            let name = parent_name(ancestor, "ancestorRef");
            return Some(Verdict::new(
                Progressing,
                format!("Waiting for Ancestor {name} to update BackendTLSPolicy status"),
            ));
        }
    }
    let mut accepted = None;
    for ancestor in ancestors {
        for condition in view::conditions_of(ancestor.get("conditions")) {
            if !matches!(condition.kind(), "Accepted" | "ResolvedRefs") {
                continue;
            }
            if !condition.is_true() {
                let name = parent_name(ancestor, "ancestorRef");
                let verdict = Message.verdict(Degraded, object, Some(condition));
                return Some(told_by(format_args!("Ancestor {name}"), verdict));
            }
            if condition.kind() == "Accepted" {
                accepted = Some(condition);
            }
        }
    }
    accepted.map(|accepted| healthy(object).since(accepted.since()))
}

fn tls_route(object: &Object) -> Option<Verdict> {
    let (mut healthy_parent, mut pending, mut waiting) = (false, None, None);
    for parent in view::list(object.at(&["status", "parents"])) {
        if !tells(object, parent) {
            continue;
        }
        let name = parent_name(parent, "parentRef");
        let find = |kind| view::conditions_of(parent.get("conditions")).find(|c| c.kind() == kind);
        let (refs, accepted, programmed) =
            (find("ResolvedRefs"), find("Accepted"), find("Programmed"));
        for (condition, kind) in [(refs, "ResolvedRefs"), (accepted, "Accepted")] {
            let Some(failed) = condition.filter(|c| c.is_false()) else {
                continue;
            };
            let mut verdict = Message.verdict(Degraded, object, Some(failed));
            if verdict.message.is_empty() {
                verdict.message = format!("Failed condition: {kind}").into();
            }
            return Some(told_by(format_args!("Parent {name}"), verdict));
        }
        let holds = |condition: Option<Condition<'_>>| condition.is_some_and(Condition::is_true);
        if let Some(programming) = programmed.filter(|c| !c.is_true()) {
            pending.get_or_insert_with(|| {
                let verdict = MessageOr("Route is still being programmed").verdict(
                    Progressing,
                    object,
                    Some(programming),
                );
                told_by(format_args!("Parent {name}"), verdict)
            });
        } else if holds(accepted) && holds(refs) {
            healthy_parent = true;
        } else {
            waiting.get_or_insert_with(|| {
                Verdict::new(
                    Progressing,
                    format!("Parent {name}: Waiting for TLSRoute conditions"),
                )
            });
        }
    }
    pending
        .or_else(|| healthy_parent.then(|| healthy(object)))
        .or(waiting)
}

fn listener_set(object: &Object) -> Option<Verdict> {
    if view::conditions(object).any(|c| is_stale(object, c)) {
        return None;
    }
    let judge = |conditions: Option<&Value>, who: &str, programming: &'static str| {
        let mut pending = None;
        for condition in view::conditions_of(conditions) {
            let verdict = match (condition.kind(), condition.status()) {
                ("ResolvedRefs", "False") if who == "Listener" => MessageOr(
                    "Failed condition: ResolvedRefs",
                )
                .verdict(Degraded, object, Some(condition)),
                ("Conflicted", "True") if who == "Listener" => {
                    MessageOr("Listener is conflicted").verdict(Degraded, object, Some(condition))
                }
                ("Accepted", "False") => MessageOr("Failed condition: Accepted").verdict(
                    Degraded,
                    object,
                    Some(condition),
                ),
                ("Programmed", status) if status != "True" => {
                    pending =
                        Some(MessageOr(programming).verdict(Progressing, object, Some(condition)));
                    continue;
                }
                _ => continue,
            };
            return Some(verdict);
        }
        pending
    };
    let own = judge(
        object.at(&["status", "conditions"]),
        "ListenerSet",
        "ListenerSet is still being programmed",
    );
    if own.is_some() {
        return own;
    }
    let listeners = view::list(object.at(&["status", "listeners"]));
    for listener in listeners {
        let told = judge(
            listener.get("conditions"),
            "Listener",
            "Listener is still being programmed",
        );
        if let Some(verdict) = told {
            return Some(told_by(format_args!("Listener"), verdict));
        }
    }
    (!listeners.is_empty()).then(|| healthy(object))
}

fn envoy_backend(object: &Object) -> Option<Verdict> {
    let accepted = view::condition(object, "Accepted")?;
    let observed = view::get(accepted.0, "observedGeneration");
    if observed.is_some() && observed != view::at(object, &["metadata", "generation"]) {
        return Some(Verdict::fixed(
            Progressing,
            "Waiting for Backend status to be updated",
        ));
    }
    let status = if accepted.is_true() {
        Healthy
    } else {
        Degraded
    };
    Some(Message.verdict(status, object, Some(accepted)))
}

fn envoy_policy(object: &Object) -> Option<Verdict> {
    let ancestors = view::list(object.at(&["status", "ancestors"]));
    let refused = ancestors
        .iter()
        .filter(|ancestor| has_seen(object, ancestor))
        .flat_map(|ancestor| view::conditions_of(ancestor.get("conditions")))
        .find(|condition| condition.kind() == "Accepted" && condition.is_false());
    if let Some(refused) = refused {
        return Some(Message.verdict(Degraded, object, Some(refused)));
    }
    ancestors
        .iter()
        .any(|ancestor| tells(object, ancestor))
        .then(|| healthy(object))
}
