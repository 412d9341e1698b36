//! Keptn.

use super::table::*;

pub(super) static TABLE: &[Entry] = &[
    lifecycle("KeptnAppVersion", STATUS),
    lifecycle("KeptnEvaluation", OVERALL),
    lifecycle("KeptnTask", STATUS),
    lifecycle("KeptnWorkloadInstance", STATUS),
    lifecycle("KeptnWorkloadVersion", STATUS),
    steps(
        "metrics.keptn.sh",
        "Analysis",
        &[
            If(
                IsTrue(&["status", "pass"]),
                Healthy,
                Text("Analysis is healthy"),
            ),
            If(
                IsTrue(&["status", "warning"]),
                Healthy,
                Text("Analysis is healthy with warnings"),
            ),
            If(
                IsFalse(&["status", "pass"]),
                Degraded,
                Text("Analysis is degraded"),
            ),
        ],
        Progressing,
        Text("Analysis is progressing"),
    ),
    steps(
        "metrics.keptn.sh",
        "KeptnMetric",
        &[Ask(metric)],
        Progressing,
        Text("KeptnMetric is progressing"),
    ),
];

const WORDS: &[Case] = &[
    case(&["Succeeded"], Healthy, Kind(" is healthy")),
    case(&["Failed"], Degraded, Kind(" is degraded")),
];
const STATUS: &[Step] = &[Lookup(&["status", "status"], WORDS)];
const OVERALL: &[Step] = &[Lookup(&["status", "overallStatus"], WORDS)];

/// An object of the life cycle says one word.
const fn lifecycle(kind: &'static str, word: &'static [Step]) -> Entry {
    steps(
        "lifecycle.keptn.sh",
        kind,
        word,
        Progressing,
        Kind(" is progressing"),
    )
}

fn metric(object: &Object) -> Option<Verdict> {
    if !view::text_or_empty(object, &["status", "errMsg"]).is_empty() {
        return Some(Verdict::fixed(Degraded, "KeptnMetric is degraded"));
    }
    view::at(object, &["status", "value"])
        .map(|_| Verdict::fixed(Healthy, "KeptnMetric is healthy"))
}
