//! Kafka and RabbitMQ, as several operators run them.

use super::table::*;

pub(super) static TABLE: &[Entry] = &[
    code("kafka.banzaicloud.io", "KafkaCluster", banzai_cluster),
    steps(
        "kafka.strimzi.io",
        "Kafka",
        &[Conditions(&[
            when(&["NotReady"]).not_for_reason("Creating").degraded(),
            when(&["Ready"]).say(NOTHING).healthy(),
        ])],
        Progressing,
        Text("Waiting for Kafka Cluster"),
    ),
    strimzi("KafkaBridge", "Waiting for KafkaBridge"),
    strimzi("KafkaConnect", "Waiting for Kafka Connect"),
    strimzi("KafkaConnector", "Waiting for KafkaConnector"),
    strimzi("KafkaTopic", "Waiting for Kafka Topic"),
    strimzi("KafkaUser", "Waiting for Kafka User"),
    confluent("Connect", CONNECT, "Waiting for Connect"),
    steps(
        "platform.confluent.io",
        "Connector",
        &[Ask(connector)],
        Progressing,
        Text("Waiting for Kafka Connector"),
    ),
    confluent("ControlCenter", CONTROL_CENTER, "Waiting for ControlCenter"),
    confluent("Kafka", KAFKA, "Waiting for Kafka"),
    confluent("KsqlDB", KSQL, "Waiting for KsqlDB"),
    confluent(
        "SchemaRegistry",
        SCHEMA_REGISTRY,
        "Waiting for SchemaRegistry",
    ),
    confluent("Zookeeper", ZOOKEEPER, "Waiting for Zookeeper"),
    rabbit("Binding", BINDING, "RabbitMQ binding status is unknown"),
    rabbit("Exchange", EXCHANGE, "RabbitMQ exchange status is unknown"),
    rabbit(
        "Permission",
        PERMISSION,
        "RabbitMQ permission status is unknown",
    ),
    rabbit("Policy", POLICY, "RabbitMQ policy status is unknown"),
    rabbit("Queue", QUEUE, "RabbitMQ queue status is unknown"),
    code("rabbitmq.com", "RabbitmqCluster", rabbit_cluster),
    rabbit("Shovel", SHOVEL, "RabbitMQ shovel status is unknown"),
    rabbit("User", USER, "RabbitMQ user status is unknown"),
    rabbit("Vhost", VHOST, "RabbitMQ vhost status is unknown"),
];

const fn strimzi(kind: &'static str, waiting: &'static str) -> Entry {
    const ARMS: &[Step] = &[Conditions(&[
        when(&["NotReady"]).degraded(),
        when(&["Ready"]).say(NOTHING).healthy(),
    ])];
    steps("kafka.strimzi.io", kind, ARMS, Progressing, Text(waiting))
}

const fn confluent(kind: &'static str, phases: &'static [Step], waiting: &'static str) -> Entry {
    steps(
        "platform.confluent.io",
        kind,
        phases,
        Progressing,
        Text(waiting),
    )
}

macro_rules! phases {
    ($name:ident, $subject:literal) => {
        const $name: &[Step] = &[Lookup(
            &["status", "phase"],
            &[
                case(&["RUNNING"], Healthy, Text(concat!($subject, " running"))),
                case(
                    &["PROVISIONING"],
                    Progressing,
                    Text(concat!($subject, " provisioning")),
                ),
            ],
        )];
    };
}

phases!(CONNECT, "Connect");
phases!(CONTROL_CENTER, "ControlCenter");
phases!(KAFKA, "Kafka");
phases!(KSQL, "KsqlDB");
phases!(SCHEMA_REGISTRY, "SchemaRegistry");
phases!(ZOOKEEPER, "Zookeeper");

fn connector(object: &Object) -> Option<Verdict> {
    let failed = view::at(object, &["status", "failedTasksCount"]);
    let state = view::at(object, &["status", "state"])?
        .as_str()
        .unwrap_or_default();
    let running = view::text_or_empty(object, &["status", "connectorState"]) == "RUNNING";
    if state == "CREATED" && running && failed.is_none() {
        return Some(Verdict::fixed(Healthy, "Connector running"));
    }
    if state == "ERROR" {
        // A connector has one condition, whose message holds what went wrong.
        return Some(match view::conditions(object).next() {
            Some(first) => Message.verdict(Degraded, object, Some(first)),
            None => Verdict::fixed(Degraded, "No conditions available"),
        });
    }
    failed
        .and_then(Value::as_f64)
        .filter(|count| *count > 0.0)
        .map(|_| Verdict::fixed(Degraded, "Connector has failed tasks"))
}

fn banzai_cluster(object: &Object) -> Verdict {
    const WAITING: Verdict = Verdict::fixed(Progressing, "Waiting for KafkaCluster");
    let state = view::text_or_empty(object, &["status", "state"]);
    if state == "ClusterRollingUpgrading" {
        return Verdict::fixed(Progressing, "Kafka Cluster is Rolling Upgrading.");
    }
    let Some(brokers) = view::at(object, &["status", "brokersState"]) else {
        return WAITING;
    };
    let in_sync = |broker: &Value| {
        let action = broker
            .at(&["gracefulActionState", "cruiseControlState"])
            .and_then(Value::as_str);
        view::text_of(broker, "configurationState") == "ConfigInSync"
            && matches!(
                action,
                Some("GracefulUpscaleSucceeded" | "GracefulDownscaleSucceeded")
            )
    };
    if !view::members(brokers).all(in_sync) {
        return Verdict::fixed(
            Degraded,
            "Broker Config is out of Sync or CruiseControlState is not Ready",
        );
    }
    let topic = view::at(object, &["status", "cruiseControlTopicStatus"]).map(Value::as_str);
    match (topic, state) {
        (Some(Some("CruiseControlTopicReady")), "ClusterRunning") => Verdict::fixed(
            Healthy,
            "Kafka Brokers, CruiseControl and cluster are in Healthy State.",
        ),
        (None | Some(Some("CruiseControlTopicNotReady")), "ClusterReconciling") => {
            Verdict::fixed(Progressing, "Kafka Cluster is Reconciling.")
        }
        _ => WAITING,
    }
}

const fn rabbit(kind: &'static str, arms: &'static [Step], unknown: &'static str) -> Entry {
    steps("rabbitmq.com", kind, arms, Unknown, Text(unknown))
}

macro_rules! rabbit_arms {
    ($name:ident, $subject:literal) => {
        const $name: &[Step] = &[Conditions(&[
            when(&["Ready"])
                .for_reason(&["SuccessfulCreateOrUpdate"])
                .text(concat!("RabbitMQ ", $subject, " ready"))
                .healthy(),
            unless(&["Ready"])
                .for_reason(&["FailedCreateOrUpdate"])
                .text(concat!(
                    "RabbitMQ ",
                    $subject,
                    " failed to be created or updated"
                ))
                .degraded(),
        ])];
    };
}

rabbit_arms!(BINDING, "binding");
rabbit_arms!(EXCHANGE, "exchange");
rabbit_arms!(PERMISSION, "permission");
rabbit_arms!(POLICY, "policy");
rabbit_arms!(QUEUE, "queue");
rabbit_arms!(SHOVEL, "shovel");
rabbit_arms!(USER, "user");
rabbit_arms!(VHOST, "vhost");

fn rabbit_cluster(object: &Object) -> Verdict {
    let (mut available, mut ready) = (None, None);
    for condition in view::conditions(object) {
        match condition.kind() {
            "ReconcileSuccess" if condition.is_false() => {
                return Message.verdict(Degraded, object, Some(condition));
            }
            "ClusterAvailable" => available = Some(condition),
            "AllReplicasReady" => ready = Some(condition),
            _ => {}
        }
    }
    let is = |condition: Option<Condition<'_>>, status| {
        condition.is_some_and(|condition| condition.status() == status)
    };
    let scaled_to_zero = ready.is_some_and(|ready| ready.reason_text() == "ScaledToZero")
        && view::number(object, &["spec", "replicas"]) == Some(0.0);
    let (status, message) = if is(available, "Unknown") || is(ready, "Unknown") {
        (
            Progressing,
            "Waiting for RabbitMQ cluster readiness (conditions unknown)",
        )
    } else if is(ready, "False") && scaled_to_zero {
        (Suspended, "RabbitmqCluster is scaled to 0 replicas")
    } else if is(available, "False") {
        (Progressing, "Waiting for RabbitMQ cluster formation")
    } else if is(ready, "False") {
        (Progressing, "Waiting for RabbitMQ instances ready")
    } else if is(available, "True") && is(ready, "True") {
        (Healthy, "RabbitMQ cluster ready")
    } else {
        (Progressing, "Waiting for RabbitMQ Operator")
    };
    let told = [available, ready]
        .into_iter()
        .flatten()
        .find(|c| !c.is_true());
    Text(message).verdict(status, object, told)
}
