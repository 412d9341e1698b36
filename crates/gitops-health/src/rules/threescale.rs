//! 3scale API management.

use super::table::*;

const GROUP: &str = "capabilities.3scale.net";

pub(super) static TABLE: &[Entry] = &[
    steps(
        "apps.3scale.net",
        "APIManager",
        &[Ask(deployments), Ask(available)],
        Progressing,
        Text("Waiting for 3scale APIManager status..."),
    ),
    steps(
        GROUP,
        "ActiveDoc",
        &[Conditions(&[
            when(&["Ready"]).healthy().text("3scale ActiveDoc is ready"),
            when(&["Invalid"])
                .degraded()
                .or("3scale ActiveDoc configuration is invalid"),
            when(&["Orphan"])
                .degraded()
                .or("3scale ActiveDoc references non-existing resources"),
            when(&["Failed"])
                .degraded()
                .or("3scale ActiveDoc synchronization failed"),
        ])],
        Progressing,
        Text("Waiting for 3scale ActiveDoc status..."),
    ),
    steps(
        GROUP,
        "Application",
        &[
            If(
                Equals(&["status", "state"], "suspended"),
                Suspended,
                Text("3scale Application is suspended"),
            ),
            Ask(application),
        ],
        Progressing,
        Text("Waiting for 3scale Application status..."),
    ),
    steps(
        GROUP,
        "ApplicationAuth",
        &[Conditions(&[
            when(&["Ready"])
                .healthy()
                .text("3scale ApplicationAuth is ready"),
            when(&["Failed"])
                .degraded()
                .or("3scale ApplicationAuth failed"),
        ])],
        Progressing,
        Text("Waiting for 3scale ApplicationAuth status..."),
    ),
    steps(
        GROUP,
        "Backend",
        &[Conditions(&[
            when(&["Synced"]).healthy().text("3scale Backend is synced"),
            when(&["Invalid"])
                .degraded()
                .or("3scale Backend configuration is invalid"),
            when(&["Failed"])
                .degraded()
                .or("3scale Backend synchronization failed"),
        ])],
        Progressing,
        Text("Waiting for 3scale Backend status..."),
    ),
    steps(
        GROUP,
        "CustomPolicyDefinition",
        &[Conditions(&[
            when(&["Ready"])
                .healthy()
                .text("3scale CustomPolicyDefinition is ready"),
            when(&["Invalid"])
                .degraded()
                .or("3scale CustomPolicyDefinition configuration is invalid"),
            when(&["Failed"])
                .degraded()
                .or("3scale CustomPolicyDefinition synchronization failed"),
        ])],
        Progressing,
        Text("Waiting for 3scale CustomPolicyDefinition status..."),
    ),
    steps(
        GROUP,
        "DeveloperAccount",
        &[Conditions(&[
            when(&["Ready"])
                .healthy()
                .text("3scale DeveloperAccount is ready"),
            when(&["Invalid"])
                .degraded()
                .or("3scale DeveloperAccount configuration is invalid"),
            when(&["Failed"])
                .degraded()
                .or("3scale DeveloperAccount synchronization failed"),
            when(&["Waiting"])
                .suspended()
                .or("3scale DeveloperAccount is waiting for approval"),
        ])],
        Progressing,
        Text("Waiting for 3scale DeveloperAccount status..."),
    ),
    steps(
        GROUP,
        "DeveloperUser",
        &[
            If(
                Equals(&["status", "developerUserState"], "suspended"),
                Suspended,
                Text("3scale Developer user is waiting for admin approval"),
            ),
            Conditions(&[
                when(&["Ready"])
                    .healthy()
                    .text("3scale DeveloperUser is ready"),
                when(&["Invalid"])
                    .degraded()
                    .or("3scale DeveloperUser configuration is invalid"),
                when(&["Orphan"])
                    .degraded()
                    .or("3scale DeveloperUser references non-existing resources"),
                when(&["Failed"])
                    .degraded()
                    .or("3scale DeveloperUser synchronization failed"),
            ]),
        ],
        Progressing,
        Text("Waiting for 3scale DeveloperUser status..."),
    ),
    steps(
        GROUP,
        "OpenAPI",
        &[Conditions(&[
            when(&["Ready"]).healthy().text("3scale OpenAPI is ready"),
            when(&["Invalid"])
                .degraded()
                .or("3scale OpenAPI configuration is invalid"),
            when(&["Failed"])
                .degraded()
                .or("3scale OpenAPI reconciliation failed"),
        ])],
        Progressing,
        Text("Waiting for 3scale OpenAPI status..."),
    ),
    steps(
        GROUP,
        "Product",
        &[Conditions(&[
            when(&["Synced"]).healthy().text("3scale Product is synced"),
            when(&["Invalid"])
                .degraded()
                .or("3scale Product configuration is invalid"),
            when(&["Orphan"])
                .degraded()
                .or("3scale Product references non-existing resources"),
            when(&["Failed"])
                .degraded()
                .or("3scale Product synchronization failed"),
        ])],
        Progressing,
        Text("Waiting for 3scale Product status..."),
    ),
    steps(
        GROUP,
        "ProxyConfigPromote",
        &[Conditions(&[
            when(&["Ready"])
                .healthy()
                .text("3scale ProxyConfigPromote is ready"),
            when(&["In-progress"])
                .progressing()
                .or("3scale ProxyConfigPromote is in progress"),
            when(&["Failed"])
                .degraded()
                .or("3cale ProxyConfigPromote failed"),
        ])],
        Progressing,
        Text("Waiting for 3scale ProxyConfigPromote status..."),
    ),
    steps(
        GROUP,
        "Tenant",
        &[
            Ask(tenant),
            Conditions(&[on(&["Ready"])
                .not_status("True")
                .degraded()
                .or("3scale Tenant is degraded")]),
        ],
        Progressing,
        Text("Waiting for 3scale Tenant status..."),
    ),
];

/// An API manager is well where it has deployments that are ready, and none that start or have stopped.
fn deployments(object: &Object) -> Option<Verdict> {
    let deployments = view::at(object, &["status", "deployments"])?;
    let has = |state| view::get(deployments, state).is_some();
    (has("ready") && !has("starting") && !has("stopped"))
        .then(|| Verdict::fixed(Healthy, "3scale APIManager is available"))
}

/// Answers to the first condition that is true, or tells a reason why it is not.
fn available(object: &Object) -> Option<Verdict> {
    let condition = view::conditions(object)
        .filter(|condition| condition.kind() == "Available")
        .find(|condition| condition.is_true() || !condition.reason_text().is_empty())?;
    let reason = condition.reason_text();
    let verdict = if condition.is_true() {
        Verdict::fixed(Healthy, "3scale APIManager is available")
    } else {
        Verdict::new(Degraded, format!("3scale APIManager is degraded: {reason}"))
    };
    Some(verdict.because(reason).since(condition.since()))
}

/// Whether the other side has given an object an id.
fn has_id(object: &Object, field: &'static str) -> bool {
    view::number(object, &["status", field]).is_some_and(|id| id > 0.0)
}

fn application(object: &Object) -> Option<Verdict> {
    const WITH_ID: &[Arm] = &[when(&["Ready"])
        .healthy()
        .text("3scale Application is ready")];
    const WITHOUT: &[Arm] = &[
        when(&["Ready"])
            .healthy()
            .text("3scale Application is ready"),
        on(&["Ready"])
            .degraded()
            .or("3scale Application is not ready"),
    ];
    let arms = if has_id(object, "adminId") {
        WITH_ID
    } else {
        WITHOUT
    };
    first_fit(arms, object, view::conditions(object))
}

fn tenant(object: &Object) -> Option<Verdict> {
    let ready = view::conditions(object).find(|c| c.kind() == "Ready" && c.is_true())?;
    (has_id(object, "tenantId") && has_id(object, "adminId"))
        .then(|| Text("3scale Tenant is ready").verdict(Healthy, object, Some(ready)))
}
