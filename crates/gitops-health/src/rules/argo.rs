//! Kinds of Argo Workflows, Argo Events and Argo CD itself, and Argo Rollouts' smaller ones.

use super::table::*;

const MESSAGE: Path = &["status", "message"];
const PHASE: Path = &["status", "phase"];

pub(super) static TABLE: &[Entry] = &[
    steps(
        "argoproj.io",
        "AnalysisRun",
        &[
            If(
                Absent(&["status"]),
                Progressing,
                Text("Waiting for analysis run to finish: status has not been reconciled."),
            ),
            Lookup(
                PHASE,
                &[
                    case(
                        &["Pending", "Running"],
                        Progressing,
                        Text("Analysis run is running"),
                    ),
                    case(
                        &["Successful"],
                        Healthy,
                        FieldOr(MESSAGE, "Analysis run completed successfully"),
                    ),
                    case(
                        &["Failed"],
                        Degraded,
                        FieldOr(MESSAGE, "Analysis run failed"),
                    ),
                    case(
                        &["Error"],
                        Degraded,
                        FieldOr(MESSAGE, "Analysis run had an error"),
                    ),
                    case(
                        &["Inconclusive"],
                        Unknown,
                        FieldOr(MESSAGE, "Analysis run was inconclusive"),
                    ),
                ],
            ),
        ],
        Unset,
        NOTHING,
    ),
    steps(
        "argoproj.io",
        "ApplicationSet",
        &[
            Conditions(&[when(&["ErrorOccurred"]).degraded()]),
            Conditions(&[unless(&["ResourcesUpToDate"]).degraded()]),
            Conditions(&[when(&["RolloutProgressing"]).progressing()]),
            Conditions(&[when(&["ResourcesUpToDate"]).healthy()]),
        ],
        Progressing,
        Text("Waiting for the status to be reported"),
    ),
    steps(
        "argoproj.io",
        "CronWorkflow",
        &[Conditions(&[
            when(&["SpecError", "SubmissionError"]).degraded(),
            when(&["Completed"]).healthy(),
        ])],
        Healthy,
        Text("CronWorkflow is healthy."),
    ),
    steps(
        "argoproj.io",
        "EventBus",
        &[Conditions(&[
            unless(&["Deployed"]).say(MessageOrReason).degraded(),
            when(&["Deployed"]).say(MessageOrReason).healthy(),
        ])],
        Progressing,
        Text("Waiting for initialization"),
    ),
    steps(
        "argoproj.io",
        "Experiment",
        &[
            If(
                Absent(&["status"]),
                Progressing,
                Text("Waiting for experiment to finish: status has not been reconciled."),
            ),
            Lookup(
                PHASE,
                &[
                    case(&["Pending"], Progressing, Text("Experiment is pending")),
                    case(&["Running"], Progressing, Text("Experiment is running")),
                    case(&["Successful"], Healthy, Text("Experiment is successful")),
                    case(&["Failed"], Degraded, Text("Experiment has failed")),
                    case(&["Error"], Degraded, Text("Experiment had an error")),
                ],
            ),
        ],
        Unset,
        NOTHING,
    ),
    code("argoproj.io", "Rollout", super::rollout::rollout),
];
