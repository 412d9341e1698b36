//! Pods: what a kubelet does to them.

use std::time::Duration;

use gitops_core::Timestamp;
use gitops_manifest::{Map, Object, ObjectKey, Value};
use serde_json::json;

use super::super::Server;
use super::{condition, phase};
use crate::{Behaviour, Simulation};

/// How long an image that cannot be pulled is called `ErrImagePull` before it becomes `ImagePullBackOff`.
const PULL_RETRY: Duration = Duration::from_secs(10);
/// How long an init container runs.
const INIT: Duration = Duration::from_millis(500);

/// One container at one moment.
#[derive(Default)]
struct Container {
    state: serde_json::Value,
    last: serde_json::Value,
    restarts: i64,
    running: bool,
    ready: bool,
    exit: Option<i32>,
    /// How long after the containers began to be made something changes again.
    next: Option<Duration>,
}

/// What happens after a container has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Restart {
    Always,
    OnFailure,
    Never,
}

impl Server {
    pub(super) fn reconcile_pod(&mut self, key: &ObjectKey, pod: &Object) {
        if pod.is_deleting() {
            self.stop_pod(key, pod);
            return;
        }
        if matches!(phase(pod), "Succeeded" | "Failed") {
            return;
        }
        let born = *self.born.entry(pod.uid().into()).or_insert(self.now);
        if pod.at(&["spec", "nodeName"]).is_none() {
            if is_unschedulable(pod, &self.simulation) {
                self.refuse_pod(key, pod);
                return;
            }
            // The scheduler binds a pod without becoming one of its managers.
            let node = self.node_of(pod);
            if let Some(pod) = self.objects.get_mut(key) {
                pod.as_map_mut()
                    .entry_object("spec")
                    .insert("nodeName", node);
            }
        }
        let (status, next) = pod_status(pod, &self.simulation, born, self.now);
        self.set_status(key, status);
        if let Some(next) = next {
            self.look_at(key, next);
        }
    }

    /// Lets a pod that is being deleted go once it had time to stop.
    fn stop_pod(&mut self, key: &ObjectKey, pod: &Object) {
        if pod
            .meta("deletionGracePeriodSeconds")
            .and_then(Value::as_i64)
            == Some(0)
        {
            return;
        }
        let uid = pod.uid().into();
        let now = self.now;
        let begun = *self.stopping.entry(uid).or_insert(now);
        let gone = begun + self.simulation.stop;
        if gone > now {
            self.look_at(key, gone);
            return;
        }
        let mut pod = pod.clone();
        pod.metadata_mut().insert("deletionGracePeriodSeconds", 0);
        self.update(key, pod);
    }

    fn refuse_pod(&mut self, key: &ObjectKey, pod: &Object) {
        let message = "0/1 nodes are available: 1 Insufficient cpu.";
        let scheduled = condition(
            Some(pod),
            self.now,
            "PodScheduled",
            "False",
            "Unschedulable",
            message,
        );
        let status = Map::from([
            ("phase", Value::from("Pending")),
            ("conditions", vec![scheduled].into()),
        ]);
        self.set_status(key, status);
    }

    fn node_of(&self, pod: &Object) -> String {
        let nodes = self.node_names();
        let sum: usize = pod.uid().bytes().map(usize::from).sum();
        nodes
            .get(sum % nodes.len().max(1))
            .cloned()
            .unwrap_or_default()
    }

    /// Names the nodes: those that there are objects of, else as many as were asked for.
    pub(super) fn node_names(&self) -> Vec<String> {
        let kind = gitops_manifest::GroupKind::new("", "Node");
        let named: Vec<String> = self
            .of_kind(&kind)
            .map(|(key, _)| key.name.to_string())
            .collect();
        if named.is_empty() {
            (1..=self.simulation.nodes)
                .map(|n| format!("node-{n}"))
                .collect()
        } else {
            named
        }
    }
}

fn containers<'a>(pod: &'a Object, field: &str) -> &'a [Value] {
    let list = pod.at(&["spec", field]).and_then(Value::as_array);
    list.map_or(&[], |list| list)
}

fn image(container: &Value) -> &str {
    container["image"].as_str().unwrap_or_default()
}

fn is_unschedulable(pod: &Object, simulation: &Simulation) -> bool {
    containers(pod, "containers")
        .iter()
        .any(|c| simulation.behaviour(image(c)) == Behaviour::Unschedulable)
}

/// Computes the status of a pod, and when it changes next.
fn pod_status(
    pod: &Object,
    simulation: &Simulation,
    born: Timestamp,
    now: Timestamp,
) -> (Map, Option<Timestamp>) {
    let restart = match pod.at(&["spec", "restartPolicy"]).and_then(Value::as_str) {
        Some("Never") => Restart::Never,
        Some("OnFailure") => Restart::OnFailure,
        _ => Restart::Always,
    };
    let mut begin = born;
    let mut next: Option<Timestamp> = None;
    let mut soonest = |at: Option<Timestamp>| {
        if let Some(at) = at.filter(|at| *at > now) {
            next = Some(next.map_or(at, |next| next.min(at)));
        }
    };
    let mut failed = false;
    let mut initialized = true;
    let mut init_statuses = Vec::new();
    for spec in containers(pod, "initContainers") {
        let sidecar = spec["restartPolicy"].as_str() == Some("Always");
        let elapsed = now.since(begin);
        let container = if initialized {
            let behaviour = match simulation.behaviour(image(spec)) {
                Behaviour::Run if sidecar => Behaviour::Run,
                Behaviour::Run => Behaviour::Exit(0),
                other => other,
            };
            let policy = match (sidecar, restart) {
                (true, _) => Restart::Always,
                (false, Restart::Never) => Restart::Never,
                _ => Restart::OnFailure,
            };
            container_at(behaviour, policy, elapsed, (Duration::ZERO, INIT), begin)
        } else {
            waiting("PodInitializing", "", None)
        };
        soonest(container.next.map(|next| begin + next));
        if initialized {
            let done = container.exit == Some(0) || sidecar && container.running;
            failed |= container.exit.is_some_and(|code| code != 0) && restart == Restart::Never;
            initialized = done;
            if done && !sidecar {
                begin = begin + INIT;
            }
        }
        let done = container.exit == Some(0);
        init_statuses.push(container_status(spec, &container, done || container.ready));
    }
    let mut statuses = Vec::new();
    let (mut all_ready, mut all_ended, mut any_running) = (true, true, false);
    for spec in containers(pod, "containers") {
        let container = if initialized {
            let times = (simulation.start, simulation.run);
            let behaviour = match simulation.behaviour(image(spec)) {
                // What is to end, ends; what is to run, runs.
                Behaviour::Run if restart != Restart::Always => Behaviour::Exit(0),
                other => other,
            };
            container_at(behaviour, restart, now.since(begin), times, begin)
        } else {
            waiting("PodInitializing", "", None)
        };
        soonest(container.next.map(|next| begin + next));
        all_ready &= container.ready;
        any_running |= container.running;
        all_ended &= container.exit.is_some();
        failed |= container.exit.is_some_and(|code| code != 0);
        statuses.push(container_status(spec, &container, container.ready));
    }
    let phase = match (all_ended || (failed && !initialized), failed) {
        (true, false) => "Succeeded",
        (true, true) => "Failed",
        _ if any_running || statuses.iter().any(has_run) => "Running",
        _ => "Pending",
    };
    let ended = matches!(phase, "Succeeded" | "Failed");
    let ready = all_ready && !ended;
    let not_ready = match (ready, phase) {
        (true, _) => "",
        (false, "Succeeded") => "PodCompleted",
        _ => "ContainersNotReady",
    };
    let truth = |yes: bool| if yes { "True" } else { "False" };
    let conditions = vec![
        condition(Some(pod), now, "PodScheduled", "True", "", ""),
        condition(
            Some(pod),
            now,
            "Initialized",
            truth(initialized),
            if initialized {
                ""
            } else {
                "ContainersNotInitialized"
            },
            "",
        ),
        condition(
            Some(pod),
            now,
            "ContainersReady",
            truth(ready),
            not_ready,
            "",
        ),
        condition(Some(pod), now, "Ready", truth(ready), not_ready, ""),
    ];
    let mut status = Map::from([
        ("phase", Value::from(phase)),
        ("conditions", conditions.into()),
        ("containerStatuses", statuses.into()),
        ("startTime", born.to_second().to_string().into()),
        ("hostIP", "10.0.0.1".into()),
        ("podIP", pod_address(pod).into()),
        ("qosClass", "BestEffort".into()),
    ]);
    if !init_statuses.is_empty() {
        status.insert("initContainerStatuses", init_statuses);
    }
    (status, if ended { None } else { next })
}

fn pod_address(pod: &Object) -> String {
    let sum = pod.uid().bytes().fold(7_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    format!("10.244.{}.{}", sum >> 8 & 0xff, 1 + sum % 254)
}

fn has_run(status: &Value) -> bool {
    status["restartCount"].as_i64().unwrap_or(0) > 0
        || status.at(&["state", "terminated"]).is_some()
}

fn waiting(reason: &str, message: &str, next: Option<Duration>) -> Container {
    let mut state = json!({"waiting": {"reason": reason}});
    if !message.is_empty() {
        state["waiting"]["message"] = message.into();
    }
    Container {
        state,
        next,
        ..Container::default()
    }
}

/// Computes what a container does `elapsed` after it began to be made; it takes `times.0` to start, and runs
/// for `times.1` where it is to end.
fn container_at(
    behaviour: Behaviour,
    restart: Restart,
    elapsed: Duration,
    times: (Duration, Duration),
    begin: Timestamp,
) -> Container {
    let (start, run) = times;
    if elapsed < start {
        return waiting("ContainerCreating", "", Some(start));
    }
    let stamp = |after: Duration| (begin + after).to_second().to_string();
    let running = |ready: bool, next: Option<Duration>| Container {
        state: json!({"running": {"startedAt": stamp(start)}}),
        running: true,
        ready,
        next,
        ..Container::default()
    };
    let terminated = |code: i32, end: Duration| {
        json!({"terminated": {
            "exitCode": code,
            "reason": if code == 0 { "Completed" } else { "Error" },
            "startedAt": stamp(start),
            "finishedAt": stamp(end),
        }})
    };
    let ends = |code: i32, end: Duration| {
        if elapsed < end {
            return running(restart == Restart::Always, Some(end));
        }
        let again = match restart {
            Restart::Always => true,
            Restart::OnFailure => code != 0,
            Restart::Never => false,
        };
        if !again {
            return Container {
                state: terminated(code, end),
                exit: Some(code),
                ..Container::default()
            };
        }
        let (restarts, next) = crashes(elapsed.saturating_sub(end));
        Container {
            state: json!({"waiting": {
                "reason": "CrashLoopBackOff",
                "message": "back-off restarting failed container",
            }}),
            last: terminated(code, end),
            restarts,
            next: Some(end + next),
            ..Container::default()
        }
    };
    match behaviour {
        Behaviour::Run => running(true, None),
        Behaviour::Slow(by) if restart == Restart::Always => {
            let ready = elapsed >= start + by;
            running(ready, (!ready).then_some(start + by))
        }
        Behaviour::Slow(by) => ends(0, start + by),
        Behaviour::PullFails if elapsed < start + PULL_RETRY => waiting(
            "ErrImagePull",
            "the image cannot be pulled",
            Some(start + PULL_RETRY),
        ),
        Behaviour::PullFails => waiting("ImagePullBackOff", "back-off pulling the image", None),
        Behaviour::Crash => ends(1, start),
        Behaviour::Exit(code) => ends(code, start + run),
        Behaviour::Hang | Behaviour::Unschedulable => running(false, None),
    }
}

/// Counts the restarts of a container that crashes at once: they wait 10 s, then twice as long each time, at
/// most 5 minutes. Returns also when the next one comes.
fn crashes(elapsed: Duration) -> (i64, Duration) {
    const LONGEST: u64 = 300;
    let (mut at, mut restarts) = (0, 1);
    for wait in [10, 20, 40, 80, 160] {
        at += wait;
        if at > elapsed.as_secs() {
            return (restarts, Duration::from_secs(at));
        }
        restarts += 1;
    }
    let more = (elapsed.as_secs() - at) / LONGEST;
    let restarts = restarts + i64::try_from(more).unwrap_or(i64::MAX - restarts);
    (restarts, Duration::from_secs(at + (more + 1) * LONGEST))
}

fn container_status(spec: &Value, container: &Container, ready: bool) -> Value {
    let mut status = Map::from([
        ("name", spec["name"].clone()),
        ("image", spec["image"].clone()),
        ("imageID", "".into()),
        ("ready", ready.into()),
        ("started", container.running.into()),
        ("restartCount", container.restarts.into()),
        ("state", container.state.clone().into()),
    ]);
    let last = match &container.last {
        serde_json::Value::Null => Value::Object(Map::new()),
        last => last.clone().into(),
    };
    status.insert("lastState", last);
    status.into()
}
