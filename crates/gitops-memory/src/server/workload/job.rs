//! Jobs: pods that run to an end.

use std::time::Duration;

use gitops_core::Timestamp;
use gitops_manifest::{Map, Object, ObjectKey, Value};

use super::super::Server;
use super::{condition, condition_of, number, phase, ready_since};

impl Server {
    pub(super) fn reconcile_job(&mut self, key: &ObjectKey, job: &Object) {
        if job.is_deleting() {
            return;
        }
        if let Some(ended) = end_of(job) {
            self.expire_job(key, job, ended);
            return;
        }
        let pods = self.children(job, "", "Pod");
        let of_phase = |wanted: &str| pods.iter().filter(|pod| phase(pod) == wanted).count();
        let succeeded = i64::try_from(of_phase("Succeeded")).unwrap_or(0);
        let failed = i64::try_from(of_phase("Failed")).unwrap_or(0);
        // With `OnFailure` the pod stays and its containers are started again, which counts as well.
        let restarts: i64 = pods.iter().map(restarts).sum();
        let active: Vec<&Object> = pods
            .iter()
            .filter(|pod| !pod.is_deleting() && !matches!(phase(pod), "Succeeded" | "Failed"))
            .collect();
        let suspended = job.at(&["spec", "suspend"]).and_then(Value::as_bool) == Some(true);
        let parallelism = number(job, "parallelism", 1);
        let completions = job.at(&["spec", "completions"]).and_then(Value::as_i64);
        let wanted = completions.unwrap_or(1);
        let limit = number(job, "backoffLimit", 6);
        let started = job
            .at(&["status", "startTime"])
            .and_then(Value::as_str)
            .and_then(Timestamp::parse)
            .filter(|_| !suspended);
        let started = started.or((!suspended).then_some(self.now));
        let deadline = job
            .at(&["spec", "activeDeadlineSeconds"])
            .and_then(Value::as_i64);
        let deadline = deadline
            .zip(started)
            .map(|(seconds, from)| from + Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
        let mut status = Map::from([
            ("ready", Value::from(0)),
            ("uncountedTerminatedPods", Map::new().into()),
        ]);
        if let Some(started) = started {
            status.insert("startTime", started.to_second().to_string());
        }
        for (field, value) in [("succeeded", succeeded), ("failed", failed)] {
            if value > 0 {
                status.insert(field, value);
            }
        }
        let verdict = if succeeded >= wanted {
            Some((
                "SuccessCriteriaMet",
                "Complete",
                "CompletionsReached",
                "Reached expected number of succeeded pods",
            ))
        } else if failed > limit || restarts > limit {
            let message = "Job has reached the specified backoff limit";
            Some(("FailureTarget", "Failed", "BackoffLimitExceeded", message))
        } else if deadline.is_some_and(|deadline| deadline <= self.now) {
            let message = "Job was active longer than specified deadline";
            Some(("FailureTarget", "Failed", "DeadlineExceeded", message))
        } else {
            None
        };
        if let Some((criterion, outcome, reason, message)) = verdict {
            for pod in &active {
                self.drop_object(&pod.key());
            }
            let conditions: Vec<Value> = [criterion, outcome]
                .iter()
                .map(|kind| {
                    probed(condition(
                        Some(job),
                        self.now,
                        kind,
                        "True",
                        reason,
                        message,
                    ))
                })
                .collect();
            status.insert("conditions", conditions);
            if outcome == "Complete" {
                status.insert("completionTime", self.now.to_second().to_string());
            }
            self.set_status(key, status);
            return;
        }
        if suspended {
            for pod in &active {
                self.drop_object(&pod.key());
            }
            let suspended = condition(
                Some(job),
                self.now,
                "Suspended",
                "True",
                "JobSuspended",
                "Job suspended",
            );
            status.insert("conditions", vec![probed(suspended)]);
            self.set_status(key, status);
            return;
        }
        if let Some(deadline) = deadline {
            self.look_at(key, deadline);
        }
        let running = i64::try_from(active.len()).unwrap_or(0);
        let missing = (wanted - succeeded).min(parallelism) - running;
        let mut active = running;
        if missing > 0 && self.may_start_again(key, job, &pods, failed) {
            for _ in 0..missing {
                self.start_job_pod(key, job);
            }
            active += missing;
        }
        if active > 0 {
            status.insert("active", active);
        }
        let ready = pods.iter().filter(|pod| ready_since(pod).is_some()).count();
        status.insert("ready", i64::try_from(ready).unwrap_or(0));
        self.set_status(key, status);
    }

    /// Whether the time to wait after failures is over: 10 s, doubled with each, at most 10 minutes.
    fn may_start_again(
        &mut self,
        key: &ObjectKey,
        job: &Object,
        pods: &[Object],
        failed: i64,
    ) -> bool {
        if failed == 0 {
            return true;
        }
        let latest = pods
            .iter()
            .filter(|pod| phase(pod) == "Failed")
            .filter_map(finished)
            .max()
            .or_else(|| {
                job.meta("creationTimestamp")?
                    .as_str()
                    .and_then(Timestamp::parse)
            });
        let doublings = u32::try_from(failed - 1).unwrap_or(0).min(6);
        let wait = Duration::from_secs((10_u64 << doublings).min(600));
        let again = latest.unwrap_or(self.now) + wait;
        if again > self.now {
            self.look_at(key, again);
        }
        again <= self.now
    }

    fn start_job_pod(&mut self, key: &ObjectKey, job: &Object) {
        let template = job.at(&["spec", "template"]).cloned().unwrap_or_default();
        let name = format!("{}-{}", key.name, self.random.suffix(5));
        let labels = [
            ("batch.kubernetes.io/controller-uid", job.uid()),
            ("batch.kubernetes.io/job-name", &key.name),
            ("controller-uid", job.uid()),
            ("job-name", &key.name),
        ];
        self.make_pod(job, name, &template, &labels);
    }

    /// Deletes a Job that has ended, once its time to live is over.
    fn expire_job(&mut self, key: &ObjectKey, job: &Object, ended: Timestamp) {
        let Some(keep) = job
            .at(&["spec", "ttlSecondsAfterFinished"])
            .and_then(Value::as_i64)
        else {
            return;
        };
        let until = ended + Duration::from_secs(u64::try_from(keep).unwrap_or(0));
        if until <= self.now {
            self.drop_object(key);
        } else {
            self.look_at(key, until);
        }
    }
}

/// Returns when a Job ended.
fn end_of(job: &Object) -> Option<Timestamp> {
    ["Complete", "Failed"].iter().find_map(|kind| {
        let condition = condition_of(job, kind)?;
        let ended = condition["status"].as_str() == Some("True");
        let time = condition["lastTransitionTime"].as_str().filter(|_| ended)?;
        Timestamp::parse(time)
    })
}

/// Adds the time at which a condition of a Job was last looked at, which such a condition has.
fn probed(condition: Value) -> Value {
    let Value::Object(mut condition) = condition else {
        return condition;
    };
    if let Some(time) = condition.get("lastTransitionTime").cloned() {
        condition.insert("lastProbeTime", time);
    }
    condition.into()
}

fn statuses(pod: &Object) -> &[Value] {
    let list = pod
        .at(&["status", "containerStatuses"])
        .and_then(Value::as_array);
    list.map_or(&[], |list| list)
}

fn restarts(pod: &Object) -> i64 {
    let counts = statuses(pod)
        .iter()
        .filter_map(|status| status["restartCount"].as_i64());
    counts.sum()
}

fn finished(pod: &Object) -> Option<Timestamp> {
    let times = statuses(pod).iter().filter_map(|status| {
        let time = status
            .at(&["state", "terminated", "finishedAt"])?
            .as_str()?;
        Timestamp::parse(time)
    });
    times.max()
}
