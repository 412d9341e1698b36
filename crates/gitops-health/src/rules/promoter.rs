//! The kinds of GitOps Promoter.

use super::table::words as words_of;
use super::table::*;

pub(super) static TABLE: &[Entry] = &[
    code("promoter.argoproj.io", "ArgoCDCommitStatus", |object| {
        judge(object, &ARGOCD_COMMIT_STATUS, applications)
    }),
    code("promoter.argoproj.io", "ChangeTransferPolicy", |object| {
        judge(object, &CHANGE_TRANSFER, super::promotion::transfer)
    }),
    code("promoter.argoproj.io", "ClusterScmProvider", |object| {
        judge(object, &CLUSTER_SCM_PROVIDER, |_| {
            Verdict::fixed(Healthy, "Cluster SCM provider is ready")
        })
    }),
    code("promoter.argoproj.io", "CommitStatus", |object| {
        judge(object, &COMMIT_STATUS, commit_status)
    }),
    code("promoter.argoproj.io", "GitCommitStatus", |object| {
        judge(object, &GIT_COMMIT_STATUS, |object| {
            environments(
                object,
                "Git commit validation",
                "Git commit validation",
                "passed for",
            )
        })
    }),
    code("promoter.argoproj.io", "GitRepository", |object| {
        judge(object, &GIT_REPOSITORY, |_| {
            Verdict::fixed(Healthy, "Git repository is ready")
        })
    }),
    code("promoter.argoproj.io", "PromotionStrategy", |object| {
        judge(object, &PROMOTION_STRATEGY, super::promotion::strategy)
    }),
    code("promoter.argoproj.io", "PullRequest", |object| {
        judge(object, &PULL_REQUEST, pull_request)
    }),
    code("promoter.argoproj.io", "ScmProvider", |object| {
        judge(object, &SCM_PROVIDER, |_| {
            Verdict::fixed(Healthy, "SCM provider is ready")
        })
    }),
    code("promoter.argoproj.io", "TimedCommitStatus", |object| {
        judge(object, &TIMED_COMMIT_STATUS, |object| {
            environments(
                object,
                "Timed commit gate",
                "Timed commit gate",
                "satisfied for",
            )
        })
    }),
    code("promoter.argoproj.io", "WebRequestCommitStatus", |object| {
        judge(object, &WEB_REQUEST_COMMIT_STATUS, |object| {
            environments(
                object,
                "Web request commit validation",
                "Web request validation",
                "passed for",
            )
        })
    }),
];

/// The words of a kind: all kinds report alike that they could not be reconciled.
struct Words {
    /// Said under deletion.
    deleting: &'static str,
    /// Said while there is no status.
    initializing: &'static str,
    /// Said while the status is of an earlier specification.
    unobserved: &'static str,
    /// Said before the message of a failed reconciliation.
    failed: &'static str,
    /// Said before the reason of any other failure.
    not_ready: &'static str,
    /// Said before the reason where readiness is unknown; kinds without it pass over that.
    unknown: Option<&'static str>,
    /// Said while there is no condition.
    no_condition: &'static str,
    /// The conditions that count.
    conditions: &'static [&'static str],
}

const READY_ONLY: &[&str] = &["Ready"];

const ARGOCD_COMMIT_STATUS: Words = Words {
    deleting: "Argo CD commit status is being deleted",
    initializing: "Initializing Argo CD commit status",
    unobserved: "Waiting for Argo CD commit status spec update to be observed",
    failed: "Argo CD commit status reconciliation failed",
    not_ready: "Argo CD commit status reconciliation failed",
    unknown: None,
    no_condition: "Argo CD commit status is not ready yet",
    conditions: READY_ONLY,
};

const CHANGE_TRANSFER: Words = Words {
    deleting: "Change transfer policy is being deleted.",
    initializing: "Initializing change transfer policy",
    unobserved: "Waiting for change transfer policy spec update to be observed",
    failed: "Change transfer policy reconciliation failed",
    not_ready: "Change transfer policy reconciliation failed",
    unknown: None,
    no_condition: "Change transfer policy is not ready yet",
    conditions: READY_ONLY,
};

const CLUSTER_SCM_PROVIDER: Words = Words {
    deleting: "ClusterScmProvider is being deleted.",
    initializing: "Initializing cluster SCM provider",
    unobserved: "Waiting for ClusterScmProvider spec update to be observed",
    failed: "Cluster SCM provider validation failed",
    not_ready: "Cluster SCM provider not ready",
    unknown: Some("Cluster SCM provider readiness unknown"),
    no_condition: "ClusterScmProvider Ready condition is missing",
    conditions: READY_ONLY,
};

const COMMIT_STATUS: Words = Words {
    deleting: "Commit status is being deleted",
    initializing: "Initializing commit status",
    unobserved: "Waiting for commit status spec update to be observed",
    failed: "Commit status reconciliation failed",
    not_ready: "Commit status reconciliation failed",
    unknown: None,
    no_condition: "Commit status is not ready yet",
    conditions: READY_ONLY,
};

const GIT_COMMIT_STATUS: Words = Words {
    deleting: "GitCommitStatus is being deleted",
    initializing: "Initializing git commit validation",
    unobserved: "Waiting for GitCommitStatus spec update to be observed",
    failed: "Git commit validation failed",
    not_ready: "Git commit validation not ready",
    unknown: Some("Git commit validation status unknown"),
    no_condition: "GitCommitStatus Ready condition is missing",
    conditions: READY_ONLY,
};

const GIT_REPOSITORY: Words = Words {
    deleting: "GitRepository is being deleted.",
    initializing: "Initializing Git repository",
    unobserved: "Waiting for GitRepository spec update to be observed",
    failed: "Git repository validation failed",
    not_ready: "Git repository not ready",
    unknown: Some("Git repository readiness unknown"),
    no_condition: "GitRepository Ready condition is missing",
    conditions: READY_ONLY,
};

const PROMOTION_STRATEGY: Words = Words {
    deleting: "Promotion strategy is being deleted",
    initializing: "Initializing promotion strategy",
    unobserved: "Waiting for promotion strategy spec update to be observed",
    failed: "Promotion strategy reconciliation failed",
    not_ready: "Promotion strategy reconciliation failed",
    unknown: None,
    no_condition: "Promotion strategy is not ready yet",
    conditions: READY_ONLY,
};

const PULL_REQUEST: Words = Words {
    deleting: "Pull request is being deleted.",
    initializing: "Initializing pull request",
    unobserved: "Waiting for pull request spec update to be observed",
    failed: "Pull request reconciliation failed",
    not_ready: "Pull request reconciliation failed",
    unknown: None,
    no_condition: "Pull request is not ready yet",
    conditions: &["Reconciled", "Ready"],
};

const SCM_PROVIDER: Words = Words {
    deleting: "ScmProvider is being deleted.",
    initializing: "Initializing SCM provider",
    unobserved: "Waiting for ScmProvider spec update to be observed",
    failed: "SCM provider validation failed",
    not_ready: "SCM provider not ready",
    unknown: Some("SCM provider readiness unknown"),
    no_condition: "ScmProvider Ready condition is missing",
    conditions: READY_ONLY,
};

const TIMED_COMMIT_STATUS: Words = Words {
    deleting: "TimedCommitStatus is being deleted",
    initializing: "Initializing timed commit gate",
    unobserved: "Waiting for TimedCommitStatus spec update to be observed",
    failed: "Timed commit gate failed",
    not_ready: "Timed commit gate not ready",
    unknown: Some("Timed commit gate status unknown"),
    no_condition: "TimedCommitStatus Ready condition is missing",
    conditions: READY_ONLY,
};

const WEB_REQUEST_COMMIT_STATUS: Words = Words {
    deleting: "WebRequestCommitStatus is being deleted",
    initializing: "Initializing web request commit validation",
    unobserved: "Waiting for WebRequestCommitStatus spec update to be observed",
    failed: "Web request commit validation failed",
    not_ready: "Web request commit validation not ready",
    unknown: Some("Web request commit validation unknown"),
    no_condition: "WebRequestCommitStatus Ready condition is missing",
    conditions: READY_ONLY,
};

/// Judges what is alike for all kinds, and leaves the rest to the kind.
fn judge(object: &Object, words: &Words, rest: fn(&Object) -> Verdict) -> Verdict {
    if view::at(object, &["metadata", "deletionTimestamp"]).is_some() {
        return Verdict::new(Progressing, deletion(object, words));
    }
    if view::at(object, &["status"]).is_none() {
        return Verdict::fixed(Progressing, words.initializing);
    }
    let generation = view::at(object, &["metadata", "generation"]);
    let mut told = false;
    for condition in view::conditions(object).filter(|c| words.conditions.contains(&c.kind())) {
        told = true;
        let observed = view::get(condition.0, "observedGeneration");
        if observed.is_some() && generation.is_some() && observed != generation {
            return Verdict::fixed(Progressing, words.unobserved);
        }
        let reason = condition.reason().map_or("Unknown", Str::as_str);
        let message = condition.message().map(Str::as_str);
        let (status, message) = match (condition.status(), words.unknown) {
            ("False", _) => {
                let message = message.unwrap_or("Unknown error");
                let message = if reason == "ReconciliationError" {
                    format!("{}: {message}", words.failed)
                } else {
                    format!("{} ({reason}): {message}", words.not_ready)
                };
                (Degraded, message)
            }
            ("Unknown", Some(unknown)) => {
                let message = message.unwrap_or("Unknown");
                (Progressing, format!("{unknown} ({reason}): {message}"))
            }
            _ => continue,
        };
        return Verdict::new(status, message)
            .because(condition.reason_text())
            .since(condition.since());
    }
    if told {
        rest(object)
    } else {
        Verdict::fixed(Progressing, words.no_condition)
    }
}

/// What an object under deletion waits for, by finalizer, and what goes wrong where it is taken off by hand.
const FINALIZERS: &[(&str, &str, &str)] = &[
    (
        "changetransferpolicy.promoter.argoproj.io/finalizer",
        "Waiting to clear related PullRequest finalizers and finish cleanup before this policy is removed.",
        "The 'changetransferpolicy.promoter.argoproj.io/pullrequest-finalizer' finalizer may not be cleaned up from PullRequests owned by this ChangeTransferPolicy.",
    ),
    (
        "changetransferpolicy.promoter.argoproj.io/pullrequest-finalizer",
        "Waiting for the ChangeTransferPolicy to observe PR identity and state.",
        "promotion status or history can be wrong or racy.",
    ),
    (
        "clusterscmprovider.promoter.argoproj.io/finalizer",
        "Waiting until no GitRepository still references this cluster-wide SCM provider.",
        "GitRepository objects can reference a provider that no longer exists.",
    ),
    (
        "gitrepository.promoter.argoproj.io/finalizer",
        "Waiting until no non-deleting PullRequests still reference this repository.",
        "repository metadata may be removed while promotions still depend on it.",
    ),
    (
        "pullrequest.promoter.argoproj.io/finalizer",
        "Waiting for SCM closure or reconciliation of the pull request.",
        "the real PR can stay open after the CR is gone.",
    ),
    (
        "scmprovider.promoter.argoproj.io/finalizer",
        "Waiting until no GitRepository in this namespace still references this provider.",
        "GitRepository objects can reference a provider that no longer exists.",
    ),
];

/// Says that the object is going, and for kinds that wait on others what it waits for.
fn deletion(object: &Object, words: &Words) -> String {
    let mut out = words.deleting.to_owned();
    if !out.ends_with('.') {
        return out;
    }
    for finalizer in view::list(object.meta("finalizers"))
        .iter()
        .filter_map(Value::as_str)
    {
        let Some((_, wait, risk)) = FINALIZERS.iter().find(|(name, ..)| *name == finalizer) else {
            continue;
        };
        out.push_str(&format!(
            " {finalizer}: {wait} Risk if removed manually: {risk}"
        ));
    }
    out
}

fn applications(object: &Object) -> Verdict {
    match view::list(object.at(&["status", "applicationsSelected"])).len() {
        0 => Verdict::fixed(
            Degraded,
            "Argo CD commit status has no applications configured",
        ),
        count => Verdict::new(
            Healthy,
            format!("Argo CD commit status is healthy and is tracking {count} applications"),
        ),
    }
}

fn commit_status(object: &Object) -> Verdict {
    let field = |name| {
        let value = object.at(&["status", name]);
        value
            .filter(|value| view::is_truthy(Some(value)))
            .map(words_of)
    };
    match (field("sha"), field("phase")) {
        (Some(sha), Some(phase)) => Verdict::new(
            Healthy,
            format!("Commit status for commit {sha} reports {phase}"),
        ),
        _ => Verdict::fixed(Healthy, "Commit status is healthy"),
    }
}

fn pull_request(object: &Object) -> Verdict {
    let field = |name| {
        let value = object.at(&["status", name]);
        value
            .filter(|value| view::is_truthy(Some(value)))
            .map(words_of)
    };
    match (field("id"), field("state")) {
        (Some(id), Some(state)) => {
            Verdict::new(Healthy, format!("Pull request is {state} as PR {id}"))
        }
        _ => Verdict::fixed(Healthy, "Pull request is healthy"),
    }
}

/// Judges by the phases of the environments: one failure is one too many.
fn environments(object: &Object, whole: &str, each: &str, passed: &str) -> Verdict {
    let environments = view::list(object.at(&["status", "environments"]));
    if environments.is_empty() {
        return Verdict::new(Healthy, format!("{whole} reconciled"));
    }
    let (mut failed, mut pending, mut well) = (Vec::new(), Vec::new(), 0);
    for environment in environments {
        let branch =
            view::get(environment, "branch").map_or_else(|| Str::from_static("?"), words_of);
        match view::text_of(environment, "phase") {
            "failure" => failed.push(branch),
            "success" => well += 1,
            _ => pending.push(branch),
        }
    }
    if !failed.is_empty() {
        let branches = failed.join(", ");
        return Verdict::new(
            Degraded,
            format!("{each} failed for branch(es): {branches}"),
        );
    }
    if !pending.is_empty() {
        let branches = pending.join(", ");
        return Verdict::new(
            Progressing,
            format!("{each} pending for branch(es): {branches}"),
        );
    }
    Verdict::new(Healthy, format!("{each} {passed} {well} environment(s)"))
}
