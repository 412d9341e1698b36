//! Elastic's stack.

use super::table::*;

const UNKNOWN_CLUSTER: Verdict = Verdict::fixed(
    Unknown,
    "Elasticsearch Cluster status is unknown. Ensure your ArgoCD is current and then check for/file a bug report: https://github.com/argoproj/argo-cd/issues",
);

pub(super) static TABLE: &[Entry] = &[
    steps(
        "beat.k8s.elastic.co",
        "Beat",
        &[
            Lookup(
                &["status", "health"],
                &[
                    case(&["red"], Degraded, Text("Elastic Beat status is Red")),
                    case(&["green"], Healthy, Text("Elastic Beat status is Green")),
                ],
            ),
            Ask(beat),
        ],
        Unknown,
        Text(
            "Elastic Beat status is unknown. Ensure your ArgoCD is current and then check for/file a bug report: https://github.com/argoproj/argo-cd/issues",
        ),
    ),
    code(
        "elasticsearch.k8s.elastic.co",
        "Elasticsearch",
        elasticsearch,
    ),
    steps(
        "logstash.k8s.elastic.co",
        "Logstash",
        &[Lookup(
            &["status", "health"],
            &[
                case(&["green"], Healthy, Text("Logstash status is Green")),
                case(&["yellow"], Progressing, Text("Logstash status is Yellow")),
                case(&["red"], Degraded, Text("Logstash status is Red")),
            ],
        )],
        Progressing,
        Text("Waiting for Logstash"),
    ),
];

fn beat(object: &Object) -> Option<Verdict> {
    const PROGRESSING: Verdict = Verdict::fixed(Progressing, "Elastic Beat phase is progressing");
    let expected = view::at(object, &["status", "expectedNodes"]);
    match view::at(object, &["status", "health"]).map(Value::as_str) {
        Some(Some("yellow")) => {
            let available = view::at(object, &["status", "availableNodes"]);
            let (Some(available), Some(expected)) = (available, expected) else {
                return Some(PROGRESSING);
            };
            let (available, expected) = (words(available), words(expected));
            Some(Verdict::new(
                Progressing,
                format!(
                    "Elastic Beat status is deploying, there is {available} instance(s) on {expected} expected"
                ),
            ))
        }
        None => expected.map(|_| PROGRESSING),
        _ => None,
    }
}

fn elasticsearch(object: &Object) -> Verdict {
    let Some(available) = view::number(object, &["status", "availableNodes"]) else {
        return UNKNOWN_CLUSTER;
    };
    let wanted: f64 = view::list(object.at(&["spec", "nodeSets"]))
        .iter()
        .filter_map(|set| set.get("count")?.as_f64())
        .sum();
    if available < wanted {
        return Verdict::new(
            Progressing,
            format!(
                "The desired amount of availableNodes is {wanted} but the current amount is {available}"
            ),
        );
    }
    if available > wanted || view::at(object, &["status", "health"]).is_none() {
        return UNKNOWN_CLUSTER;
    }
    let health = view::text_or_empty(object, &["status", "health"]);
    match (view::text_or_empty(object, &["status", "phase"]), health) {
        ("Ready", "green") => Verdict::fixed(Healthy, "Elasticsearch Cluster status is Green"),
        ("Ready", "yellow") => Verdict::fixed(
            Progressing,
            "Elasticsearch Cluster status is Yellow. Check the status of indices, replicas and shards",
        ),
        ("Ready", "red") => Verdict::fixed(
            Degraded,
            "Elasticsearch Cluster status is Red. Check the status of indices, replicas and shards",
        ),
        ("ApplyingChanges", _) => {
            Verdict::fixed(Progressing, "Elasticsearch phase is ApplyingChanges")
        }
        ("MigratingData", _) => Verdict::fixed(Progressing, "Elasticsearch phase is MigratingData"),
        ("Invalid", _) => Verdict::fixed(Degraded, "Elasticsearch phase is Invalid"),
        _ => UNKNOWN_CLUSTER,
    }
}
