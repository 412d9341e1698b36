//! Databases and what runs them.

use super::table::*;

const STATE: Path = &["status", "state"];
const PHASE_REASON: Path = &["status", "phaseReason"];
const POSTGRES: Path = &["status", "PostgresClusterStatus"];

pub(super) static TABLE: &[Entry] = &[
    steps(
        "acid.zalan.do",
        "postgresql",
        &[Lookup(
            POSTGRES,
            &[
                case(&["Running"], Healthy, Field(POSTGRES)),
                case(&["Creating", "Updating"], Progressing, Field(POSTGRES)),
                other(Degraded, Field(POSTGRES)),
            ],
        )],
        Progressing,
        Text("Waiting for postgres cluster status..."),
    ),
    code("cassandra.rook.io", "Cluster", cassandra),
    steps(
        "clickhouse.altinity.com",
        "ClickHouseInstallation",
        &[Lookup(
            &["status", "status"],
            &[
                case(
                    &["Completed"],
                    Healthy,
                    Text("ClickHouse installation completed successfully"),
                ),
                case(
                    &["InProgress"],
                    Progressing,
                    Text("ClickHouse installation in progress"),
                ),
                other(
                    Degraded,
                    Before("ClickHouse status: ", &["status", "status"]),
                ),
            ],
        )],
        Progressing,
        Text("ClickHouse status not yet available"),
    ),
    steps(
        "clickhouse-keeper.altinity.com",
        "ClickHouseKeeperInstallation",
        &[Lookup(
            &["status", "status"],
            &[
                case(
                    &["Completed"],
                    Healthy,
                    Text("ClickHouseKeeper installation completed successfully"),
                ),
                case(
                    &["InProgress"],
                    Progressing,
                    Text("ClickHouseKeeper installation in progress"),
                ),
                other(
                    Degraded,
                    Before("ClickHouseKeeper status: ", &["status", "status"]),
                ),
            ],
        )],
        Progressing,
        Text("ClickHouseKeeper status not yet available"),
    ),
    steps(
        "db.atlasgo.io",
        "AtlasMigration",
        &[Conditions(&[
            when(&["Ready"]).say(Reason).healthy(),
            on(&["Ready"])
                .for_reason(&["Reconciling"])
                .say(Reason)
                .progressing(),
            on(&["Ready"]).say(Reason).degraded(),
        ])],
        Progressing,
        Text("Waiting for Atlas Operator"),
    ),
    steps(
        "db.atlasgo.io",
        "AtlasSchema",
        &[Ask(atlas_schema)],
        Progressing,
        Text("Waiting for Atlas Operator"),
    ),
    code("k8s.mariadb.com", "Backup", mariadb_backup),
    code("k8s.mariadb.com", "Database", mariadb_grantee),
    code("k8s.mariadb.com", "Grant", mariadb_grantee),
    code("k8s.mariadb.com", "MariaDB", mariadb),
    code("k8s.mariadb.com", "SqlJob", mariadb_job),
    code("k8s.mariadb.com", "User", mariadb_grantee),
    code("mariadb.mmontes.io", "MariaDB", mariadb),
    steps(
        "postgresql.cnpg.io",
        "Backup",
        &[Lookup(
            &["status", "phase"],
            &[
                case(
                    &[""],
                    Progressing,
                    Text("Waiting for backup to be processed"),
                ),
                case(&["completed"], Healthy, Text("Backup completed")),
                case(
                    &["failed"],
                    Degraded,
                    FieldOr(&["status", "error"], "failed"),
                ),
                case(
                    &["walArchivingFailing"],
                    Degraded,
                    FieldOr(&["status", "error"], "walArchivingFailing"),
                ),
                case(
                    &["invalid backup definition"],
                    Degraded,
                    FieldOr(&["status", "error"], "invalid backup definition"),
                ),
                other(Progressing, Field(&["status", "phase"])),
            ],
        )],
        Progressing,
        Text("Waiting for backup to be processed"),
    ),
    steps(
        "postgresql.cnpg.io",
        "Cluster",
        &[
            If(
                Equals(
                    &["metadata", "annotations", "cnpg.io/reconciliationLoop"],
                    "disabled",
                ),
                Suspended,
                Text("Cluster reconciliation is suspended"),
            ),
            Conditions(&[
                when(&["cnpg.io/hibernation"]).suspended(),
                on(&["cnpg.io/hibernation"]).degraded(),
            ]),
            Ask(cnpg_phase),
        ],
        Progressing,
        Field(PHASE_REASON),
    ),
    steps(
        "postgresql.cnpg.io",
        "Database",
        &[Ask(cnpg_database)],
        Progressing,
        Text("Waiting for CloudNativePG to reconcile Database"),
    ),
    code("psmdb.percona.com", "PerconaServerMongoDB", percona_mongodb),
    steps(
        "pxc.percona.com",
        "PerconaXtraDBCluster",
        &[
            Lookup(
                STATE,
                &[case(&["paused"], Unknown, Text("Cluster is paused"))],
            ),
            Ask(percona_xtradb),
        ],
        Unknown,
        Text(
            "Cluster status is unknown. Ensure your ArgoCD is current and then check for/file a bug report: https://github.com/argoproj/argo-cd/issues",
        ),
    ),
    steps(
        "zookeeper.pravega.io",
        "ZookeeperCluster",
        &[Ask(zookeeper)],
        Progressing,
        Text("Waiting for ZK Nodes to join the ensemble"),
    ),
];

fn cassandra(object: &Object) -> Verdict {
    const WAITING: Verdict = Verdict::fixed(Progressing, "Waiting for Cassandra Cluster");
    let Some(racks) = view::at(object, &["status", "racks"]) else {
        return WAITING;
    };
    let behind = |rack: &Value| {
        let (members, ready) = (view::get(rack, "members"), view::get(rack, "readyMembers"));
        members.is_some() && ready.is_some() && members != ready
    };
    if view::members(racks).any(behind) {
        WAITING
    } else {
        Verdict::fixed(Healthy, "")
    }
}

/// A schema's condition tells in its message that work goes on.
fn atlas_schema(object: &Object) -> Option<Verdict> {
    let ready = view::condition(object, "Ready")?;
    let status = match ready.message_text() {
        _ if ready.is_true() => Healthy,
        "Reconciling" | "GettingDevDB" => Progressing,
        _ => Degraded,
    };
    Some(Reason.verdict(status, object, Some(ready)))
}

const NO_MARIADB_STATUS: Verdict = Verdict::fixed(Progressing, "No status info available");

/// Joins the reason and the message of a condition.
fn reason_and_message(condition: Condition<'_>) -> String {
    format!("{} {}", condition.reason_text(), condition.message_text())
}

fn mariadb_backup(object: &Object) -> Verdict {
    if view::at(object, &["status", "conditions"]).is_none() {
        return NO_MARIADB_STATUS;
    }
    let mut message = String::new();
    for condition in view::conditions(object) {
        message = reason_and_message(condition);
        if condition.is_false() {
            let failed = message == "CronJobScheduled Failed";
            return Verdict::new(if failed { Degraded } else { Progressing }, message)
                .because(condition.reason_text())
                .since(condition.since());
        }
    }
    Verdict::new(Healthy, message)
}

fn mariadb(object: &Object) -> Verdict {
    if view::at(object, &["status", "conditions"]).is_none() {
        return NO_MARIADB_STATUS;
    }
    let mut last = None;
    for condition in view::conditions(object) {
        if condition.is_false() {
            let failed = condition.reason_text() == "Failed";
            return Message.verdict(
                if failed { Degraded } else { Progressing },
                object,
                Some(condition),
            );
        }
        last = Some(condition);
    }
    Message.verdict(Healthy, object, last)
}

fn mariadb_job(object: &Object) -> Verdict {
    let mut verdict = NO_MARIADB_STATUS;
    for condition in view::conditions(object) {
        verdict.message = reason_and_message(condition).into();
        let status = match condition.reason_text() {
            _ if !condition.is_true() => continue,
            "JobComplete" => Healthy,
            "JobFailed" => Degraded,
            _ => continue,
        };
        verdict.status = status;
        return verdict
            .because(condition.reason_text())
            .since(condition.since());
    }
    verdict
}

fn mariadb_grantee(object: &Object) -> Verdict {
    let mut verdict = NO_MARIADB_STATUS;
    for condition in view::conditions(object) {
        verdict = Message.verdict(Progressing, object, Some(condition));
        if condition.kind() == "Ready" {
            verdict.status = if condition.is_true() {
                Healthy
            } else {
                Degraded
            };
            break;
        }
    }
    verdict
}

/// What the phases of a CloudNativePG cluster mean.
const CNPG_PHASES: &[(&str, HealthStatus)] = &[
    ("Cluster in healthy state", Healthy),
    ("Setting up primary", Progressing),
    ("Creating a new replica", Progressing),
    ("Upgrading cluster", Progressing),
    ("Waiting for the instances to become active", Progressing),
    ("Promoting to primary cluster", Progressing),
    ("Switchover in progress", Degraded),
    ("Failing over", Degraded),
    ("Upgrading Postgres major version", Degraded),
    ("Cluster upgrade delayed", Degraded),
    ("Waiting for user action", Degraded),
    ("Primary instance is being restarted in-place", Degraded),
    (
        "Primary instance is being restarted without a switchover",
        Degraded,
    ),
    (
        "Cluster cannot execute instance online upgrade due to missing architecture binary",
        Degraded,
    ),
    ("Online upgrade in progress", Degraded),
    ("Applying configuration", Degraded),
    ("Unable to create required cluster objects", Suspended),
    (
        "Cluster cannot proceed to reconciliation due to an unknown plugin being required",
        Suspended,
    ),
    ("Cluster has incomplete or invalid image catalog", Suspended),
    (
        "Cluster is unrecoverable and needs manual intervention",
        Suspended,
    ),
];

fn cnpg_phase(object: &Object) -> Option<Verdict> {
    view::at(object, &["status", "conditions"])?;
    let phase = view::text_or_empty(object, &["status", "phase"]);
    let status = CNPG_PHASES
        .iter()
        .find(|(name, _)| *name == phase)
        .map_or(Unknown, |(_, status)| *status);
    Some(
        Field(PHASE_REASON)
            .verdict(status, object, None)
            .because(phase),
    )
}

fn cnpg_database(object: &Object) -> Option<Verdict> {
    const MESSAGE: Path = &["status", "message"];
    let generation = view::at(object, &["metadata", "generation"]);
    let seen = generation.is_none() || generation == view::at(object, OBSERVED);
    match view::at(object, &["status", "applied"]) {
        Some(Value::Bool(true)) if seen => Some(Field(MESSAGE).verdict(Healthy, object, None)),
        Some(Value::Bool(false)) if seen => Some(
            FieldOr(MESSAGE, "CloudNativePG failed to apply the Database")
                .verdict(Degraded, object, None),
        ),
        _ => view::text(object, MESSAGE)
            .filter(|message| !message.is_empty())
            .map(|message| Verdict::new(Progressing, message)),
    }
}

/// Says how many nodes of a Percona cluster are ready.
fn nodes_ready(object: &Object) -> String {
    let count = |field| {
        view::at(object, &["status", field])
            .map(words)
            .unwrap_or_default()
    };
    format!("{}/{} node(s) are ready", count("ready"), count("size"))
}

fn percona_mongodb(object: &Object) -> Verdict {
    if view::at(object, &["status"]).is_none() {
        return Verdict::fixed(Unknown, "Cluster status is unknown");
    }
    let state = view::text_or_empty(object, STATE);
    let status = match state {
        "initializing" | "stopping" => Progressing,
        "ready" => Healthy,
        "error" => Degraded,
        "paused" => Suspended,
        _ => Unknown,
    };
    Verdict::new(status, nodes_ready(object)).because(state)
}

fn percona_xtradb(object: &Object) -> Option<Verdict> {
    let state = view::text_or_empty(object, STATE);
    let verdict = match state {
        "initializing" => Verdict::new(Progressing, nodes_ready(object)),
        "ready" => Verdict::new(Healthy, nodes_ready(object)),
        "stopping" => Verdict::new(
            Degraded,
            format!("Cluster is stopping ({})", nodes_ready(object)),
        ),
        "error" => {
            let errors: Vec<_> = view::list(object.at(&["status", "message"]))
                .iter()
                .map(words)
                .collect();
            Verdict::new(
                Degraded,
                format!("Cluster is on error: {}", errors.join(", ")),
            )
        }
        _ => return None,
    };
    Some(verdict.because(state))
}

fn zookeeper(object: &Object) -> Option<Verdict> {
    view::at(object, &["status"])?;
    let ready = view::at(object, &["status", "readyReplicas"]);
    let all = ready == view::at(object, &["status", "replicas"]);
    (all && ready.and_then(Value::as_i64) != Some(0))
        .then(|| Verdict::fixed(Healthy, "All ZK Nodes have joined the ensemble"))
}
