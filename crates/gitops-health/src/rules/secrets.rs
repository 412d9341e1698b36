//! Certificates, secrets and credentials.

use super::table::*;

pub(super) static TABLE: &[Entry] = &[
    steps(
        "acme.cert-manager.io",
        "Challenge",
        &[Ask(acme)],
        Progressing,
        Text("Waiting for challenge"),
    ),
    steps(
        "acme.cert-manager.io",
        "Order",
        &[Ask(acme)],
        Progressing,
        Text("Waiting for order"),
    ),
    steps(
        "bitnami.com",
        "SealedSecret",
        &[Conditions(&[
            unless(&["Synced"]).degraded(),
            when(&["Synced"]).healthy(),
        ])],
        Progressing,
        Text("Waiting for Sealed Secret to be decrypted"),
    ),
    steps(
        "cert-manager.io",
        "Certificate",
        &[
            Conditions(&[when(&["Issuing"]).progressing()]),
            Conditions(READY),
        ],
        Progressing,
        Text("Waiting for certificate"),
    ),
    steps(
        "cert-manager.io",
        "CertificateRequest",
        &[
            Conditions(&[when(&["Denied", "InvalidRequest"]).degraded()]),
            Conditions(&[
                when(&["Ready"]).healthy(),
                on(&["Ready"]).for_reason(&["Pending"]).progressing(),
                on(&["Ready"]).degraded(),
            ]),
        ],
        Progressing,
        Text("Waiting for certificate request"),
    ),
    ready(
        "cert-manager.io",
        "ClusterIssuer",
        "Initializing ClusterIssuer",
    ),
    ready("cert-manager.io", "Issuer", "Initializing issuer"),
    ready(
        "certmanager.k8s.io",
        "Certificate",
        "Waiting for certificate",
    ),
    ready("certmanager.k8s.io", "Issuer", "Initializing issuer"),
    steps(
        "external-secrets.io",
        "ClusterExternalSecret",
        &[Ask(cluster_external_secret)],
        Progressing,
        Text("Waiting for ClusterExternalSecret"),
    ),
    ready(
        "external-secrets.io",
        "ClusterSecretStore",
        "Waiting for ClusterSecretStore",
    ),
    ready(
        "external-secrets.io",
        "ExternalSecret",
        "Waiting for ExternalSecret",
    ),
    ready(
        "external-secrets.io",
        "PushSecret",
        "Waiting for PushSecret",
    ),
    ready(
        "external-secrets.io",
        "SecretStore",
        "Waiting for SecretStore",
    ),
    code("iammanager.keikoproj.io", "Iamrole", iam_role),
    steps(
        "kubernetes-client.io",
        "ExternalSecret",
        &[
            If(
                Equals(&["status", "status"], "SUCCESS"),
                Healthy,
                Text("Fetched ExternalSecret."),
            ),
            Ask(old_external_secret),
        ],
        Progressing,
        Text("Waiting for ExternalSecret."),
    ),
    steps(
        "networking.gke.io",
        "ManagedCertificate",
        &[
            Ask(invisible_domain),
            If(
                Equals(&["status", "certificateStatus"], "Active"),
                Healthy,
                Text("All certificates are active"),
            ),
        ],
        Progressing,
        Text("At least one certificate is still being provisioned"),
    ),
    ready(
        "onepassword.com",
        "OnePasswordItem",
        "Waiting for controller to report status",
    ),
    code("services.cloud.sap.com", "ServiceBinding", sap_service),
    code("services.cloud.sap.com", "ServiceInstance", sap_service),
    steps(
        "trust.cert-manager.io",
        "Bundle",
        &[Ask(bundle)],
        Progressing,
        Text("Waiting for Bundle to be synced"),
    ),
];

const fn ready(group: &'static str, kind: &'static str, waiting: &'static str) -> Entry {
    steps(
        group,
        kind,
        &[Conditions(READY)],
        Progressing,
        Text(waiting),
    )
}

/// Judges an order or a challenge by its state.
fn acme(object: &Object) -> Option<Verdict> {
    let kind = object.kind();
    let state = view::text(object, &["status", "state"]).filter(|state| !state.is_empty())?;
    let told = || {
        view::text(object, &["status", "reason"])
            .cloned()
            .unwrap_or_else(|| format!("{kind} is {state}").into())
    };
    let verdict = match state.as_str() {
        "valid" => Verdict::new(Healthy, format!("{kind} is valid")),
        "invalid" | "expired" | "errored" => Verdict::new(Degraded, told()),
        _ if kind == "Order" => Verdict::new(Progressing, format!("{kind} is {state}")),
        _ => Verdict::new(Progressing, told()),
    };
    Some(verdict.because(state))
}

/// Its conditions are a history, of which the last counts.
fn cluster_external_secret(object: &Object) -> Option<Verdict> {
    let last = view::conditions(object)
        .last()
        .filter(|last| last.is_true())?;
    let status = match last.kind() {
        "Ready" => Healthy,
        "PartiallyReady" | "NotReady" => Degraded,
        _ => return None,
    };
    Some(Message.verdict(status, object, Some(last)))
}

fn old_external_secret(object: &Object) -> Option<Verdict> {
    let status = view::text_or_empty(object, &["status", "status"]);
    status
        .starts_with("ERROR")
        .then(|| Verdict::new(Degraded, status.replace("ERROR, ", "")))
}

fn invisible_domain(object: &Object) -> Option<Verdict> {
    view::list(object.at(&["status", "domainStatus"]))
        .iter()
        .any(|domain| view::text_of(domain, "status") == "FailedNotVisible")
        .then(|| {
            Verdict::fixed(
                Degraded,
                "At least one certificate has failed to be provisioned",
            )
        })
}

fn bundle(object: &Object) -> Option<Verdict> {
    let synced = view::condition(object, "Synced")?;
    Some(if synced.is_true() {
        MessageOr("Bundle is synced").verdict(Healthy, object, Some(synced))
    } else {
        let mut verdict = MessageOrReason.verdict(Degraded, object, Some(synced));
        if synced.message().or(synced.reason()).is_none() {
            verdict.message = Str::from_static("Bundle is not synced");
        }
        verdict
    })
}

fn sap_service(object: &Object) -> Verdict {
    if view::at(object, &["metadata", "deletionTimestamp"]).is_some() {
        return Verdict::fixed(Progressing, "Resource is being deleted");
    }
    if !matches!(
        object.at(&["status", "conditions"]),
        Some(Value::Array(_) | Value::Object(_))
    ) {
        return Verdict::fixed(Progressing, "Waiting for status");
    }
    for condition in view::conditions(object) {
        let generation = view::at(object, &["metadata", "generation"]);
        let observed = view::get(condition.0, "observedGeneration");
        if generation.is_some() && observed.is_some() && generation != observed {
            return Verdict::fixed(Progressing, "Waiting for spec update to be observed");
        }
        let failed = condition.kind() == "Succeeded" && condition.is_false()
            || condition.kind() == "Failed" && condition.is_true();
        if failed {
            return Message.verdict(Degraded, object, Some(condition));
        }
    }
    Verdict::fixed(Healthy, "Ready to use")
}

fn iam_role(object: &Object) -> Verdict {
    const STATE: Path = &["status", "state"];
    let field = |name| {
        view::at(object, &["status", name]).map_or_else(|| Str::from_static("<none>"), words)
    };
    let role = || {
        let (name, arn, id) = (field("roleName"), field("roleARN"), field("roleID"));
        (name, arn, id)
    };
    let state = view::text_or_empty(object, STATE);
    match state {
        "Ready" => {
            let (name, arn, id) = role();
            Verdict::new(
                Healthy,
                format!("Role '{name}' exists with ARN '{arn}' and ID '{id}'."),
            )
        }
        "Error" | "RolesMaxLimitReached" | "PolicyNotAllowed" | "RoleNameNotAvailable" => {
            let (name, arn, id) = role();
            let retries = view::at(object, &["status", "retryCount"])
                .filter(|count| count.as_f64().is_some_and(|count| count > 0.0))
                .map(|count| format!("(retry {}) ", words(count)))
                .unwrap_or_default();
            let why = view::at(object, &["status", "errorDescription"])
                .map(|why| format!(" Reconciliation error was: {}", words(why)))
                .unwrap_or_default();
            let message = format!(
                "Failed to reconcile the Iamrole {retries}for role '{name}' with ARN '{arn}' and ID '{id}'.{why}"
            );
            Verdict::new(Degraded, message).because(state)
        }
        _ => Verdict::fixed(Progressing, "Waiting for Iamrole to be reconciled"),
    }
}
