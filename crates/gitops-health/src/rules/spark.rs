//! Applications of the Spark operator.

use super::table::*;

pub(super) fn application(object: &Object) -> Option<Verdict> {
    const ERROR: Path = &["status", "applicationState", "errorMessage"];
    let state = view::at(object, &["status", "applicationState", "state"])?;
    let (status, message) = match state.as_str()? {
        "" => (
            Progressing,
            "SparkApplication was added, enqueuing it for submission",
        ),
        "RUNNING" => {
            return has_executors(object)
                .then(|| Verdict::fixed(Healthy, "SparkApplication is Running"));
        }
        "SUBMITTED" => (Progressing, "SparkApplication was submitted successfully"),
        "COMPLETED" => (Healthy, "SparkApplication was Completed"),
        state @ ("FAILED" | "SUBMISSION_FAILED" | "FAILING") => {
            return Some(Field(ERROR).verdict(Degraded, object, None).because(state));
        }
        "PENDING_RERUN" => (Progressing, "SparkApplication is Pending Rerun"),
        "INVALIDATING" => (Missing, "SparkApplication is in InvalidatingState"),
        "SUCCEEDING" => (Progressing, SUCCEEDING),
        "UNKNOWN" => (
            Progressing,
            "SparkApplication is in UnknownState because either driver pod or one or all executor pods in unknown state  ",
        ),
        _ => return None,
    };
    Some(Verdict::fixed(status, message))
}

/// The words have a line break and the indentation after it, where Argo CD has them.
const SUCCEEDING: &str = concat!(
    "The driver pod has been completed successfully. The executor pods terminate and are cleaned up.\n",
    "                                ",
    "Under this circumstances, we assume the executor pod are completed.",
);

/// Whether as many executors run as are asked for: exactly so many, so many within a range, or any.
fn has_executors(object: &Object) -> bool {
    let Some(executors) = view::at(object, &["status", "executorState"]) else {
        return false;
    };
    let running = view::members(executors)
        .filter(|state| state.as_str() == Some("RUNNING"))
        .count() as f64;
    let instances = view::number(object, &["spec", "executor", "instances"]);
    if instances == Some(running) {
        return true;
    }
    if let Some((least, most)) = executor_range(object) {
        return running >= least && running <= most;
    }
    let open = view::at(object, &["spec", "dynamicAllocation"]).is_none() && instances.is_none();
    open && running >= 1.0
}

/// Finds the range of a dynamic allocation, that the specification or Spark's own configuration asks for.
fn executor_range(object: &Object) -> Option<(f64, f64)> {
    let dynamic = object.at(&["spec", "dynamicAllocation"]);
    if view::is_truthy(dynamic.and_then(|dynamic| dynamic.get("enabled"))) {
        let bound = |name| dynamic.and_then(|dynamic| dynamic.get(name)?.as_f64());
        let (least, most) = (bound("minExecutors"), bound("maxExecutors"));
        return Some((least.unwrap_or(0.0), most.unwrap_or(f64::INFINITY)));
    }
    let conf = object.at(&["spec", "sparkConf"])?;
    for prefix in [
        "spark.streaming.dynamicAllocation",
        "spark.dynamicAllocation",
    ] {
        if view::text_of(conf, &format!("{prefix}.enabled")) == "true" {
            let bound = |name: &str| -> Option<f64> {
                words(view::get(conf, &format!("{prefix}.{name}"))?)
                    .parse()
                    .ok()
            };
            let (least, most) = (bound("minExecutors"), bound("maxExecutors"));
            return Some((least.unwrap_or(0.0), most.unwrap_or(f64::INFINITY)));
        }
    }
    None
}
