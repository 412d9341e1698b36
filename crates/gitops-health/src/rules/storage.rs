//! Storage, backups and virtual machines.

use super::table::*;

const PHASE: Path = &["status", "phase"];
const STATE: Path = &["status", "state"];
const MESSAGE: Path = &["status", "message"];

pub(super) static TABLE: &[Entry] = &[
    steps(
        "astra.netapp.io",
        "AppVault",
        &[Lookup(
            STATE,
            &[
                case(&["available", "Available"], Healthy, Kind(" Available")),
                case(&["failed", "Failed"], Degraded, Kind(" Failed")),
            ],
        )],
        Progressing,
        Text("No status available"),
    ),
    steps(
        "astra.netapp.io",
        "Application",
        &[Ask(astra_application)],
        Progressing,
        Text("No status available"),
    ),
    astra_run("Backup"),
    steps(
        "astra.netapp.io",
        "ExecHook",
        &[
            If(IsTrue(&["spec", "enabled"]), Healthy, Kind(" enabled")),
            If(IsFalse(&["spec", "enabled"]), Suspended, Kind(" disabled")),
        ],
        Progressing,
        Text("No status available"),
    ),
    astra_run("ExecHooksRun"),
    astra_run("ResourceBackup"),
    astra_run("ResticVolumeBackup"),
    steps(
        "astra.netapp.io",
        "Schedule",
        &[If(
            Holds(&["status", "lastScheduleTime"]),
            Healthy,
            Before(
                "Protection policy lastScheduleTime: ",
                &["status", "lastScheduleTime"],
            ),
        )],
        Healthy,
        Text("Protection policy not yet executed"),
    ),
    astra_run("Snapshot"),
    code("cdi.kubevirt.io", "DataVolume", data_volume),
    code("ceph.rook.io", "CephCluster", ceph_cluster),
    code("ceph.rook.io", "CephObjectStore", ceph_object_store),
    code("kubevirt.io", "VirtualMachine", virtual_machine),
    code(
        "kubevirt.io",
        "VirtualMachineInstance",
        virtual_machine_instance,
    ),
    code("medusa.k8ssandra.io", "MedusaBackupJob", medusa),
    code("medusa.k8ssandra.io", "MedusaTask", medusa),
    code("minio.min.io", "Tenant", minio_tenant),
    steps(
        "objectbucket.io",
        "ObjectBucketClaim",
        &[
            If(
                Absent(&["status"]),
                Progressing,
                Text("Waiting for status to be reported"),
            ),
            Lookup(
                PHASE,
                &[
                    case(
                        &["Bound"],
                        Healthy,
                        Text("Object bucket claim phase is Bound"),
                    ),
                    case(
                        &["Failed"],
                        Degraded,
                        Text("Object bucket claim phase is Failed"),
                    ),
                    other(Progressing, Before("Object bucket claim phase is ", PHASE)),
                ],
            ),
        ],
        Progressing,
        Text("Waiting for phase to be reported"),
    ),
    steps(
        "trident.netapp.io",
        "TridentBackendConfig",
        &[Ask(trident_backend)],
        Progressing,
        Text("Waiting for backend creation"),
    ),
    steps(
        "trident.netapp.io",
        "TridentOrchestrator",
        &[Lookup(
            &["status", "status"],
            &[
                case(&["Installed"], Healthy, Field(MESSAGE)),
                case(&["Failed", "Error"], Degraded, Field(MESSAGE)),
            ],
        )],
        Progressing,
        Text("Waiting for trident installation"),
    ),
    steps(
        "velero.io",
        "Backup",
        &[
            If(
                Equals(PHASE, "Completed"),
                Healthy,
                Text("Backup completed"),
            ),
            Ask(velero),
        ],
        Progressing,
        Text("Waiting for backup to be processed"),
    ),
    steps(
        "velero.io",
        "Restore",
        &[
            If(
                Equals(PHASE, "Completed"),
                Healthy,
                Text("Restore completed"),
            ),
            Ask(velero),
        ],
        Progressing,
        Text("Waiting for restore to be processed"),
    ),
    steps(
        "velero.io",
        "Schedule",
        &[Lookup(
            PHASE,
            &[
                case(&["Enabled"], Healthy, Text("Schedule is enabled")),
                case(
                    &["FailedValidation"],
                    Degraded,
                    Text("Schedule failed validation"),
                ),
                other(Progressing, Field(PHASE)),
            ],
        )],
        Progressing,
        Text("Waiting for schedule to be processed"),
    ),
];

/// A run of Astra Control is completed, running, or tells in its state what went wrong.
const fn astra_run(kind: &'static str) -> Entry {
    const STATES: &[Step] = &[Lookup(
        STATE,
        &[
            case(&["Completed"], Healthy, Kind(" Completed")),
            case(&["Running"], Progressing, Kind(" Running")),
            other(Degraded, Field(STATE)),
        ],
    )];
    steps(
        "astra.netapp.io",
        kind,
        STATES,
        Progressing,
        Text("No status available"),
    )
}

fn astra_application(object: &Object) -> Option<Verdict> {
    let ready =
        view::conditions(object).find(|c| c.kind() == "Ready" && (c.is_true() || c.is_false()))?;
    let (status, message) = if ready.is_true() {
        let protection = view::at(object, &["status", "protectionState"]).map(words);
        let protection = protection.unwrap_or_default();
        (
            Healthy,
            format!("Astra Application Ready, protectionState: {protection}"),
        )
    } else {
        (
            Degraded,
            format!(
                "Astra Application Degraded, message: {}",
                ready.message_text()
            ),
        )
    };
    Some(
        Verdict::new(status, message)
            .because(ready.reason_text())
            .since(ready.since()),
    )
}

fn data_volume(object: &Object) -> Verdict {
    let phase = view::at(object, PHASE);
    let message = phase.map_or_else(|| Str::from_static("No status available"), words);
    let status = match phase.and_then(Value::as_str) {
        Some("Succeeded") => return Verdict::new(Healthy, message),
        Some("Paused") => return Verdict::new(Suspended, message),
        Some("Failed" | "Unknown") => Degraded,
        _ => Progressing,
    };
    let fault = view::conditions(object)
        .find(|c| c.kind() == "Running" && c.is_false() && c.reason_text() == "Error");
    match fault {
        Some(fault) => Message.verdict(Degraded, object, Some(fault)),
        None => Verdict::new(status, message),
    }
}

fn ceph_cluster(object: &Object) -> Verdict {
    if view::at(object, &["status"]).is_none() {
        return Verdict::fixed(Progressing, "Waiting for status to be reported");
    }
    let mut status = Progressing;
    let mut parts: Vec<String> = Vec::new();
    if let Some(health) = view::at(object, &["status", "ceph", "health"]) {
        status = match health.as_str() {
            Some("HEALTH_ERR" | "HEALTH_WARN") => Degraded,
            Some("HEALTH_OK") => Healthy,
            _ => status,
        };
        let details: Vec<_> = object
            .at(&["status", "ceph", "details"])
            .into_iter()
            .flat_map(view::members)
            .filter_map(|detail| view::get(detail, "message").map(words))
            .collect();
        let details = if details.is_empty() {
            String::new()
        } else {
            format!(" ({})", details.join("; "))
        };
        parts.push(format!("Ceph health is {}{details}", words(health)));
    }
    if let Some(state) = view::at(object, STATE)
        && status == Healthy
    {
        parts.push(format!("Ceph cluster state is {}", words(state)));
        status = match state.as_str() {
            Some("Created" | "Connected") => Healthy,
            Some("Error") => Degraded,
            _ => Progressing,
        };
    }
    if let Some(message) = view::at(object, MESSAGE).map(words)
        && !message.is_empty()
    {
        parts.push(message.into());
    }
    Verdict::new(status, parts.join(" - "))
}

fn ceph_object_store(object: &Object) -> Verdict {
    let mut status = Progressing;
    let mut message = "Waiting for status to be reported".to_owned();
    if let Some(phase) = view::at(object, PHASE) {
        message = format!("Ceph object store phase is {}", words(phase));
        status = match phase.as_str() {
            Some("Ready") => Healthy,
            Some("Failure") => Degraded,
            _ => Progressing,
        };
    }
    let endpoint = view::text_or_empty(object, &["status", "info", "endpoint"]);
    if !endpoint.is_empty() {
        message.push_str(&format!(" - endpoint: {endpoint}"));
    }
    Verdict::new(status, message)
}

fn virtual_machine(object: &Object) -> Verdict {
    let created = Holds(&["status", "created"]).holds(object);
    let mut verdict = Verdict::fixed(Progressing, "No status available");
    for condition in view::conditions(object) {
        match condition.kind() {
            "Paused" if condition.is_true() => {
                return Text("Paused").verdict(Suspended, object, Some(condition));
            }
            "Ready" => {
                let (status, message) = match (condition.is_true(), created) {
                    (true, _) => (Healthy, "Running"),
                    (false, true) => (verdict.status, "Starting"),
                    (false, false) => (Suspended, "Stopped"),
                };
                verdict = Text(message).verdict(status, object, Some(condition));
            }
            _ => {}
        }
    }
    if let Some(shown) = view::at(object, &["status", "printableStatus"]) {
        verdict.message = words(shown);
    }
    verdict
}

fn virtual_machine_instance(object: &Object) -> Verdict {
    let phase = view::at(object, PHASE);
    let message = phase.map_or_else(|| Str::from_static("No status available"), words);
    let status = match phase.and_then(Value::as_str) {
        Some("Failed") => Degraded,
        Some("Pending" | "Scheduling" | "Scheduled") => Progressing,
        Some("Succeeded") => Suspended,
        Some("Unknown") => Unknown,
        _ => {
            let mut verdict = Verdict::new(Progressing, message);
            for condition in view::conditions(object) {
                match condition.kind() {
                    "Ready" if condition.is_true() => {
                        verdict = Text("Running").verdict(Healthy, object, Some(condition));
                    }
                    "Ready" => verdict = Message.verdict(Degraded, object, Some(condition)),
                    "Paused" if condition.is_true() => {
                        return Message.verdict(Suspended, object, Some(condition));
                    }
                    _ => {}
                }
            }
            return verdict;
        }
    };
    Verdict::new(status, message)
}

/// Judges a backup of Medusa, which has finished where a node tells so.
fn medusa(object: &Object) -> Verdict {
    if view::at(object, &["status"]).is_none() {
        return Verdict::fixed(Unknown, "No status object");
    }
    if view::at(object, OBSERVED).is_none() {
        return Verdict::fixed(Unknown, "No observedGeneration");
    }
    if NotObserved(OBSERVED).holds(object) {
        return Verdict::fixed(Progressing, "observedGeneration is not equal to generation");
    }
    let job = object.kind() == "MedusaBackupJob";
    let failed = view::at(object, &["status", "failed"]).is_some();
    match view::at(object, &["status", "finished"]) {
        None if failed => Verdict::fixed(Degraded, "Failed nodes exist"),
        None if job => Verdict::fixed(Progressing, "Status not known yet"),
        None => Verdict::fixed(Progressing, ""),
        Some(_) if failed && !job => Verdict::fixed(Degraded, "Failed nodes exist"),
        Some(nodes)
            if view::list(Some(nodes))
                .first()
                .is_some_and(|node| view::is_truthy(Some(node))) =>
        {
            Verdict::fixed(Healthy, "")
        }
        Some(_) => Verdict::fixed(Progressing, ""),
    }
}

fn minio_tenant(object: &Object) -> Verdict {
    const STATE: Path = &["status", "currentState"];
    let status = match view::at(object, STATE).map(Value::as_str) {
        None => return Verdict::fixed(Progressing, "No status info available"),
        Some(Some("Initialized")) => Healthy,
        Some(Some(
            "Statefulset not controlled by operator"
            | "Another MinIO Tenant already exists in the namespace"
            | "Tenant credentials are not set properly"
            | "Different versions across MinIO Pools"
            | "Pool Decommissioning Not Allowed",
        )) => Degraded,
        Some(_) => Progressing,
    };
    Field(STATE).verdict(status, object, None)
}

fn trident_backend(object: &Object) -> Option<Verdict> {
    let phase = view::text_or_empty(object, PHASE);
    let status = match view::text_or_empty(object, &["status", "lastOperationStatus"]) {
        "Success" if phase == "Bound" => Healthy,
        "Failed" => Degraded,
        _ => return None,
    };
    Some(Field(MESSAGE).verdict(status, object, None))
}

fn velero(object: &Object) -> Option<Verdict> {
    let phase = view::text(object, PHASE)?;
    let failed = matches!(
        phase.as_str(),
        "FailedValidation"
            | "Failed"
            | "PartiallyFailed"
            | "WaitingForPluginOperationsPartiallyFailed"
            | "FinalizingPartiallyFailed"
    );
    Some(if failed {
        let reason = view::text(object, &["status", "failureReason"]);
        Verdict::new(Degraded, reason.unwrap_or(phase)).because(phase)
    } else {
        Verdict::new(Progressing, phase)
    })
}
