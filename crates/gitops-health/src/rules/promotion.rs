//! How far changes have been promoted, of GitOps Promoter's policies and strategies.

use super::table::*;

/// Counts the statuses of a commit by phase, and names those that are not successful.
#[derive(Default)]
struct Tally<'a> {
    pending: Vec<&'a str>,
    failed: Vec<&'a str>,
    successful: usize,
}

impl<'a> Tally<'a> {
    fn of(statuses: Option<&'a Value>) -> Self {
        let mut tally = Self::default();
        for status in view::list(statuses) {
            let key = view::text_of(status, "key");
            match view::text_of(status, "phase") {
                "pending" => tally.pending.push(key),
                "failure" => tally.failed.push(key),
                "success" => tally.successful += 1,
                _ => {}
            }
        }
        tally
    }

    fn is_open(&self) -> bool {
        !self.pending.is_empty() || !self.failed.is_empty()
    }

    /// Says the counts, then the names.
    fn words(&self) -> String {
        let mut out = format!(
            "{} pending, {} successful, {} failed. ",
            self.pending.len(),
            self.successful,
            self.failed.len()
        );
        for (what, keys) in [("Pending", &self.pending), ("Failed", &self.failed)] {
            if !keys.is_empty() {
                out.push_str(&format!("{what} commit statuses: {}. ", keys.join(", ")));
            }
        }
        out
    }
}

/// Returns the first seven characters of a commit.
fn short(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}

fn dry_sha<'a>(environment: &'a Value, branch: &str) -> &'a str {
    let sha = environment.at(&[branch, "dry", "sha"]);
    sha.and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn transfer(object: &Object) -> Verdict {
    static NONE: Value = Value::Null;
    let status = object.get("status").unwrap_or(&NONE);
    let (active, proposed) = (dry_sha(status, "active"), dry_sha(status, "proposed"));
    if active.is_empty() {
        return Verdict::fixed(
            Progressing,
            "The active commit DRY SHA is missing or empty.",
        );
    }
    if proposed.is_empty() {
        return Verdict::fixed(
            Progressing,
            "The proposed commit DRY SHA is missing or empty.",
        );
    }
    if active != proposed {
        let tally = Tally::of(status.at(&["proposed", "commitStatuses"]));
        let message = format!(
            "Promotion in progress from '{}' to '{}': {}",
            short(active),
            short(proposed),
            tally.words()
        );
        return Verdict::new(Progressing, message);
    }
    let tally = Tally::of(status.at(&["active", "commitStatuses"]));
    if tally.is_open() {
        let message = format!(
            "Environment is up-to-date, but there are non-successful active commit statuses: {}",
            tally.words()
        );
        return Verdict::new(Healthy, message);
    }
    let sha = short(active);
    Verdict::new(
        Healthy,
        format!("Environment is up-to-date on commit {sha}."),
    )
}

/// Returns the commit that the hydrator has processed for an environment.
fn hydrated(environment: &Value) -> &str {
    let note = environment
        .at(&["proposed", "note", "drySha"])
        .and_then(Value::as_str);
    match note {
        Some(note) if !note.is_empty() => note,
        _ => dry_sha(environment, "proposed"),
    }
}

pub(super) fn strategy(object: &Object) -> Verdict {
    let environments = view::list(object.at(&["status", "environments"]));
    let Some(first) = environments.first() else {
        return Verdict::fixed(
            Degraded,
            "Promotion strategy has no environments configured",
        );
    };
    for environment in environments {
        let branch = view::text_of(environment, "branch");
        let missing = if dry_sha(environment, "active").is_empty() {
            "active"
        } else if hydrated(environment).is_empty() {
            "proposed"
        } else {
            continue;
        };
        return Verdict::new(
            Progressing,
            format!("The {missing} commit DRY SHA is missing or empty in environment '{branch}'."),
        );
    }
    if environments
        .iter()
        .any(|environment| hydrated(environment) != hydrated(first))
    {
        return Verdict::fixed(
            Progressing,
            "Not all environments have the same proposed commit SHA. This likely means the hydrator has not run for all environments yet.",
        );
    }
    for environment in environments {
        let (active, proposed) = (
            dry_sha(environment, "active"),
            dry_sha(environment, "proposed"),
        );
        if active != proposed {
            let tally = Tally::of(environment.at(&["proposed", "commitStatuses"]));
            let message = format!(
                "Promotion in progress for environment '{}' from '{}' to '{}': {}Hydrator has processed dry commit '{}'. ",
                view::text_of(environment, "branch"),
                short(active),
                short(proposed),
                tally.words(),
                short(hydrated(environment))
            );
            return Verdict::new(Progressing, message);
        }
    }
    let open: Vec<String> = environments
        .iter()
        .filter_map(|environment| {
            let tally = Tally::of(environment.at(&["active", "commitStatuses"]));
            tally.is_open().then(|| {
                format!(
                    "{} ({} failed, {} pending)",
                    view::text_of(environment, "branch"),
                    tally.failed.len(),
                    tally.pending.len()
                )
            })
        })
        .collect();
    if !open.is_empty() {
        let message = format!(
            "Environments are up-to-date, but some environments have non-successful commit statuses: {}.",
            open.join(", ")
        );
        return Verdict::new(Healthy, message);
    }
    Verdict::new(
        Healthy,
        format!(
            "All environments are up-to-date on commit '{}'. Hydrator has processed dry commit '{}'.",
            short(dry_sha(first, "active")),
            short(hydrated(first))
        ),
    )
}
