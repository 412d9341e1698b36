use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use async_trait::async_trait;
use gitops_core::sync::{
    HOOK_FINALIZER, Hooks, Pair, SyncInput, SyncPhase, SyncSettings, SyncState, World, WriteMode,
    WriteRequest,
};
use gitops_core::{ApiKind, Propagation, Timestamp};
use gitops_health::HealthStatus;
use gitops_manifest::{GroupVersionKind, Map, Object, ObjectKey, Str, Value};
use serde_json::json;

use super::{check, same};

/// The simulated cluster of a scenario.
#[derive(Default)]
struct Script {
    objects: BTreeMap<String, Object>,
    tracked: BTreeSet<String>,
    health: BTreeMap<String, Value>,
    fail: BTreeMap<String, String>,
    slow_delete: BTreeSet<String>,
    denied: BTreeMap<String, String>,
    wave_hook_fails: Option<String>,
    defined: BTreeSet<String>,
    operations: Vec<Value>,
    next: u64,
}

struct Cluster(Mutex<Script>);

const CLUSTER_KINDS: [&str; 7] = [
    "Namespace",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "PersistentVolume",
    "ClusterWidget",
    "StorageClass",
];

/// The kinds whose health the recorded engine tells without any script.
const RULED: [&str; 12] = [
    "Deployment",
    "StatefulSet",
    "ReplicaSet",
    "DaemonSet",
    "Ingress",
    "Workflow",
    "APIService",
    "Service",
    "PersistentVolumeClaim",
    "Pod",
    "Job",
    "HorizontalPodAutoscaler",
];

fn shown(key: &ObjectKey) -> String {
    format!("{}/{}/{}/{}", key.group, key.kind, key.namespace, key.name)
}

fn known(script: &Script, gvk: &GroupVersionKind) -> bool {
    let kind = format!("{}/{}", gvk.group, gvk.kind);
    match &*gvk.group {
        "example.com" => {
            matches!(&*gvk.kind, "Widget" | "ClusterWidget") || script.defined.contains(&kind)
        }
        "argoproj.io" => matches!(&*gvk.kind, "Workflow" | "Application"),
        group if group.is_empty() || !group.contains('.') || group.ends_with(".k8s.io") => true,
        _ => script.defined.contains(&kind),
    }
}

fn kind_of(script: &Script, gvk: &GroupVersionKind) -> Option<ApiKind> {
    known(script, gvk).then(|| ApiKind {
        gvk: gvk.clone(),
        plural: Str::default(),
        namespaced: !CLUSTER_KINDS.contains(&&*gvk.kind),
    })
}

fn fault(script: &Script, operation: &str, key: &str) -> Option<String> {
    script.fail.get(&format!("{operation} {key}")).cloned()
}

fn operation(op: &str, fields: serde_json::Value, error: Option<&String>) -> Value {
    let mut value = Value::from(fields);
    let map = value.as_object_mut().expect("fields are a map");
    map.insert("op", op);
    if let Some(error) = error {
        map.insert("error", error.as_str());
    }
    value
}

impl Script {
    fn store(&mut self, mut object: Object, key: &str) {
        if let Some(old) = self.objects.get(key) {
            for field in ["uid", "deletionTimestamp"] {
                if let Some(value) = old.meta(field).cloned() {
                    object.metadata_mut().insert(field, value);
                }
            }
            if let Some(status) = old.get("status").cloned() {
                object.as_map_mut().insert("status", status);
            }
        } else {
            self.next += 1;
            object
                .metadata_mut()
                .insert("uid", format!("uid-{}", self.next));
        }
        if object.kind() == "CustomResourceDefinition" {
            let text = |path: &[&str]| object.at(path).and_then(Value::as_str).unwrap_or_default();
            let kind = format!(
                "{}/{}",
                text(&["spec", "group"]),
                text(&["spec", "names", "kind"])
            );
            self.defined.insert(kind);
        }
        self.objects.insert(key.to_owned(), object);
    }

    fn delete(&mut self, key: &str) {
        let Some(object) = self.objects.get_mut(key) else {
            return;
        };
        let has_finalizers = object
            .meta("finalizers")
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty());
        if has_finalizers || self.slow_delete.contains(key) {
            object
                .metadata_mut()
                .insert("deletionTimestamp", "2024-01-02T03:04:05Z");
        } else {
            self.objects.remove(key);
        }
    }
}

#[async_trait]
impl World for Cluster {
    fn kind(&self, gvk: &GroupVersionKind) -> Result<Option<ApiKind>, String> {
        Ok(kind_of(&self.0.lock().expect("not poisoned"), gvk))
    }

    fn unknown_kind(&self, gvk: &GroupVersionKind) -> String {
        format!("{}.{} \"\" not found", gvk.kind, gvk.group)
    }

    fn permit(&self, object: &Object, _: &ApiKind) -> Result<(), String> {
        match self
            .0
            .lock()
            .expect("not poisoned")
            .denied
            .get(&shown(&object.key()))
        {
            Some(message) => Err(message.clone()),
            None => Ok(()),
        }
    }

    fn health(&self, object: &Object) -> Result<Option<(HealthStatus, String)>, String> {
        let finalizers = object.meta("finalizers").and_then(Value::as_array);
        let held =
            finalizers.is_some_and(|list| list.iter().any(|f| f.as_str() == Some(HOOK_FINALIZER)));
        if object.is_deleting() && !held {
            return Ok(Some((
                HealthStatus::Progressing,
                "Pending deletion".to_owned(),
            )));
        }
        let script = self.0.lock().expect("not poisoned");
        if let Some(given) = script.health.get(&shown(&object.key())) {
            if let Some(error) = given["error"].as_str() {
                let of = format!("{}/{}", object.namespace(), object.name());
                return Err(format!("failed to get resource health for {of}: {error}"));
            }
            let status = serde_json::from_value(given["status"].clone().into())
                .map_err(|error| error.to_string())?;
            return Ok(Some((
                status,
                given["message"].as_str().unwrap_or_default().to_owned(),
            )));
        }
        if !RULED.contains(&object.kind()) {
            return Ok(None);
        }
        Ok(
            gitops_health::assess(object, &gitops_health::Context::new())
                .map(|assessment| (assessment.status, assessment.message.as_str().to_owned())),
        )
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, String> {
        Ok(self
            .0
            .lock()
            .expect("not poisoned")
            .objects
            .get(&shown(key))
            .cloned())
    }

    async fn write(
        &self,
        object: &Object,
        _: Option<&Object>,
        request: WriteRequest,
    ) -> Result<String, String> {
        let mut script = self.0.lock().expect("not poisoned");
        let key = shown(&object.key());
        let op = match request.mode {
            WriteMode::Apply => "apply",
            WriteMode::Create => "create",
            WriteMode::Replace => "replace",
            WriteMode::Update => "update",
        };
        let error = fault(&script, if request.dry_run { "dryrun" } else { op }, &key);
        let mut fields = json!({"key": key});
        for (name, set) in [
            ("dryRun", request.dry_run),
            ("force", request.force),
            ("serverSide", request.server_side),
            ("noValidate", !request.validate),
        ] {
            if set {
                fields[name] = true.into();
            }
        }
        script
            .operations
            .push(operation(op, fields, error.as_ref()));
        if let Some(error) = error {
            return Err(error);
        }
        if !request.dry_run {
            script.store(object.clone(), &key);
            // A hook whose name was made up is found again by its tracking alone.
            if Hooks::of(object).is_hook {
                script.tracked.insert(key);
            }
        }
        if request.mode == WriteMode::Update {
            return Ok(format!("{}/{} updated", object.kind(), object.name()));
        }
        Ok(format!(
            "{}/{} {op}",
            object.kind().to_lowercase(),
            object.name()
        ))
    }

    async fn prune(&self, live: &Object, propagation: Propagation) -> Result<(), String> {
        self.remove("prune", live, propagation)
    }

    async fn delete_hook(&self, live: &Object, propagation: Propagation) -> Result<bool, String> {
        let script = self.0.lock().expect("not poisoned");
        let exists = script.objects.contains_key(&shown(&live.key()));
        drop(script);
        if !exists {
            return Ok(false);
        }
        self.remove("delete-hook", live, propagation)
            .map_err(|error| format!("failed to delete resource: {error}"))?;
        Ok(true)
    }

    async fn remove_finalizer(&self, live: &Object) -> Result<(), String> {
        let mut script = self.0.lock().expect("not poisoned");
        let key = shown(&live.key());
        if !script.objects.contains_key(&key) {
            return Ok(());
        }
        let error = fault(&script, "remove-finalizer", &key);
        script.operations.push(operation(
            "remove-finalizer",
            json!({"key": key}),
            error.as_ref(),
        ));
        if let Some(error) = error {
            return Err(format!(
                "failed to update resource: failed to update resource: {error}"
            ));
        }
        let Some(object) = script.objects.get_mut(&key) else {
            return Ok(());
        };
        if let Some(Value::Array(list)) = object.metadata_mut().get_mut("finalizers") {
            list.make_mut()
                .retain(|f| f.as_str() != Some(HOOK_FINALIZER));
            if list.is_empty() {
                object.metadata_mut().remove("finalizers");
                if object.is_deleting() {
                    script.objects.remove(&key);
                }
            }
        }
        Ok(())
    }

    async fn wave_done(&self, phase: SyncPhase, wave: i64, last: bool) -> Result<(), String> {
        let mut script = self.0.lock().expect("not poisoned");
        let error = script.wave_hook_fails.clone();
        let mut fields = json!({"phase": phase.to_string(), "wave": wave});
        if last {
            fields["final"] = true.into();
        }
        script.operations.push(operation("wave-done", fields, None));
        error.map_or(Ok(()), Err)
    }

    async fn save(&self, _: &SyncState) -> Result<(), String> {
        Ok(())
    }
}

impl Cluster {
    fn remove(&self, op: &str, live: &Object, propagation: Propagation) -> Result<(), String> {
        let mut script = self.0.lock().expect("not poisoned");
        let key = shown(&live.key());
        let error = fault(&script, op, &key);
        let policy = match propagation {
            Propagation::Foreground => "foreground",
            Propagation::Background => "background",
            Propagation::Orphan => "orphan",
        };
        let fields = json!({"key": key, "policy": policy});
        script
            .operations
            .push(operation(op, fields, error.as_ref()));
        if let Some(error) = error {
            return Err(error);
        }
        script.delete(&key);
        Ok(())
    }
}

fn objects(value: &Value) -> Vec<Object> {
    let list = value
        .as_array()
        .map(|list| list.to_vec())
        .unwrap_or_default();
    list.into_iter()
        .map(|value| Object::try_from(value).expect("an object"))
        .collect()
}

fn strings(value: &Value) -> Vec<String> {
    let list = value
        .as_array()
        .map(|list| list.to_vec())
        .unwrap_or_default();
    list.iter()
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect()
}

fn settings(case: &Value) -> SyncSettings {
    let options = &case["options"];
    let on = |name: &str| options[name].as_bool().unwrap_or_default();
    let text = |name: &str| Str::from(options[name].as_str().unwrap_or_default());
    let mut settings = SyncSettings::default();
    settings.namespace = case["namespace"].as_str().unwrap_or_default().into();
    settings.revision = case["revision"].as_str().unwrap_or_default().into();
    settings.started_at =
        Timestamp::parse(case["startedAt"].as_str().unwrap_or_default()).unwrap_or_default();
    settings.prune = on("prune");
    settings.dry_run = on("dryRun");
    settings.force = on("force");
    settings.skip_hooks = on("skipHooks");
    settings.prune_last = on("pruneLast");
    settings.replace = on("replace");
    settings.server_side_apply = on("serverSideApply");
    settings.skip_validation = on("noValidate");
    settings.out_of_sync_only = on("applyOutOfSyncOnly");
    settings.skip_dry_run_on_missing = on("skipDryRunOnMissingResource");
    settings.create_namespace = on("createNamespace");
    if let Value::Object(_) = &options["managedNamespaceMetadata"] {
        let metadata = options["managedNamespaceMetadata"].clone();
        settings.namespace_metadata =
            Some(serde_json::from_value(metadata.into()).expect("labels and annotations"));
    }
    settings.prune_option = text("pruneOption");
    settings.prune_confirmed = on("pruneConfirmed");
    settings.propagation = match &*text("prunePropagationPolicy").to_lowercase() {
        "background" => Propagation::Background,
        "orphan" => Propagation::Orphan,
        _ => Propagation::Foreground,
    };
    settings.selection = options["resources"].as_array().map(|list| {
        list.iter()
            .map(|chosen| {
                let text = |name: &str| Str::from(chosen[name].as_str().unwrap_or_default());
                ObjectKey::new(text("group"), text("kind"), text("namespace"), text("name"))
            })
            .collect()
    });
    settings
}

/// Pairs what is desired with what is there, as an engine does before each step.
fn input(case: &Value, script: &Script, settings: &SyncSettings) -> SyncInput {
    let out_of_sync = strings(&case["options"]["outOfSync"]);
    let mut pairs = Vec::new();
    let mut hooks = Vec::new();
    let mut desired_keys = BTreeSet::new();
    for mut object in objects(&case["targets"]) {
        let namespaced = kind_of(script, &object.gvk()).is_none_or(|kind| kind.namespaced);
        if namespaced && object.namespace().is_empty() {
            object.set_namespace(settings.namespace.clone());
        }
        let key = shown(&object.key());
        let live = script.objects.get(&key).cloned();
        desired_keys.insert(key.clone());
        if Hooks::of(&object).is_hook {
            hooks.push((object, live));
        } else {
            pairs.push(Pair {
                desired: Some(object),
                live,
                out_of_sync: out_of_sync.contains(&key),
            });
        }
    }
    for (key, object) in &script.objects {
        if script.tracked.contains(key) && !desired_keys.contains(key) {
            pairs.push(Pair {
                desired: None,
                live: Some(object.clone()),
                out_of_sync: true,
            });
        }
    }
    let namespace = script
        .objects
        .get(&format!("/Namespace//{}", settings.namespace))
        .cloned();
    SyncInput {
        settings: settings.clone(),
        pairs,
        hooks,
        namespace,
    }
}

/// Brings concurrent operations into an order: writes of one kind, and deletions whatever the kind, run side by side.
fn sort_operations(operations: &[Value]) -> Vec<Value> {
    let group = |value: &Value| {
        let op = value["op"].as_str().unwrap_or_default().to_owned();
        let kind = value["key"].as_str().unwrap_or_default();
        let kind = kind.split('/').nth(1).unwrap_or_default().to_owned();
        let dry = value["dryRun"] == Value::Bool(true);
        match op.as_str() {
            "apply" | "create" | "replace" | "update" => ("write".to_owned(), kind, dry),
            "wave-done" => (value.to_string(), String::new(), dry),
            _ => (op, String::new(), dry),
        }
    };
    let mut sorted = Vec::new();
    for neighbours in operations.chunk_by(|a, b| group(a) == group(b)) {
        let mut neighbours = neighbours.to_vec();
        neighbours.sort_by_key(|value| (value["key"].to_string(), value.to_string()));
        sorted.extend(neighbours);
    }
    sorted
}

fn give(script: &mut Script, settings: &mut SyncSettings, given: &Value) {
    for key in strings(&given["remove"]) {
        script.objects.remove(&key);
        script.slow_delete.remove(&key);
    }
    for (key, patch) in given["patch"].as_object().unwrap_or(&Map::new()) {
        if let Some(object) = script.objects.get_mut(&**key) {
            let mut value = object.to_value();
            merge(&mut value, patch);
            *object = Object::try_from(value).expect("still an object");
        }
    }
    for (key, health) in given["health"].as_object().unwrap_or(&Map::new()) {
        if health.is_null() {
            script.health.remove(&**key);
        } else {
            script
                .health
                .insert(key.as_str().to_owned(), health.clone());
        }
    }
    script.fail = given["fail"]
        .as_object()
        .unwrap_or(&Map::new())
        .iter()
        .map(|(k, v)| {
            (
                k.as_str().to_owned(),
                v.as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    script.slow_delete.extend(strings(&given["slowDelete"]));
    if given["pruneConfirmed"].as_bool() == Some(true) {
        settings.prune_confirmed = true;
    }
    script.wave_hook_fails = given["waveHookFails"].as_str().map(str::to_owned);
}

fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return;
    };
    if value.as_object().is_none() {
        *value = Value::Object(Map::new());
    }
    let map = value.as_object_mut().expect("it was made a map");
    for (key, patch) in patch {
        if patch.is_null() {
            map.remove(key);
        } else {
            merge(map.entry(key.clone()), patch);
        }
    }
}

/// Makes the cluster of a case.
fn cluster(case: &Value, settings: &SyncSettings) -> Cluster {
    let mut script = Script::default();
    for (field, tracked) in [("cluster", true), ("untracked", false)] {
        for mut object in objects(&case[field]) {
            let kind = kind_of(&script, &object.gvk());
            if kind.is_none_or(|kind| kind.namespaced) && object.namespace().is_empty() {
                object.set_namespace(settings.namespace.clone());
            }
            let key = shown(&object.key());
            if tracked {
                script.tracked.insert(key.clone());
            }
            script.store(object, &key);
        }
    }
    for (key, message) in case["options"]["denied"].as_object().unwrap_or(&Map::new()) {
        let message = message.as_str().unwrap_or_default().to_owned();
        script.denied.insert(key.as_str().to_owned(), message);
    }
    Cluster(Mutex::new(script))
}

/// Takes a sync one step further, or stops it; returns what was asked of the cluster.
fn act(given: &Value, input: &SyncInput, cluster: &Cluster, state: &mut SyncState) -> Vec<Value> {
    if given["terminate"].as_bool() == Some(true) {
        futures::executor::block_on(state.terminate(input, cluster));
    } else {
        futures::executor::block_on(state.step(input, cluster));
    }
    std::mem::take(&mut cluster.0.lock().expect("not poisoned").operations)
}

/// A sync of a made-up case.
pub(crate) struct Play {
    case: Value,
    cluster: Cluster,
    settings: SyncSettings,
    state: SyncState,
}

impl Play {
    pub(crate) fn new(case: Value) -> Self {
        let settings = settings(&case);
        Self {
            cluster: cluster(&case, &settings),
            settings,
            state: SyncState::new(),
            case,
        }
    }

    /// Goes one step on after what is given; returns, in words, what was asked for, what is said of the sync, and
    /// what of each object.
    pub(crate) fn step(&mut self, given: &Value) -> Vec<String> {
        let locked = || self.cluster.0.lock().expect("not poisoned");
        give(&mut locked(), &mut self.settings, given);
        let input = input(&self.case, &locked(), &self.settings);
        let mut lines = Vec::new();
        let operations = act(given, &input, &self.cluster, &mut self.state);
        for operation in sort_operations(&operations) {
            let text = |field: &str| operation[field].as_str().unwrap_or_default().to_owned();
            let subject = match text("key") {
                key if key.is_empty() => format!("{} {}", text("phase"), operation["wave"]),
                key => key.rsplit('/').next().unwrap_or_default().to_owned(),
            };
            let mut line = format!("{} {subject}", text("op"));
            for flag in ["dryRun", "force", "serverSide", "noValidate", "final"] {
                if operation[flag].as_bool() == Some(true) {
                    line = format!("{line} {flag}");
                }
            }
            for field in ["policy", "error"] {
                if operation[field].as_str().is_some() {
                    line = format!("{line} {}", text(field));
                }
            }
            lines.push(line);
        }
        lines.push(format!(
            "= {}: {}",
            self.state.phase(),
            self.state.message()
        ));
        let mut results = self.state.results().to_vec();
        results.sort_by_key(|result| (shown(&result.key), result.phase));
        for result in results {
            let state = result.state.map(|s| s.to_string()).unwrap_or_default();
            let status = result.status.map(|s| s.to_string()).unwrap_or_default();
            let (name, phase) = (&result.key.name, result.phase);
            lines.push(format!(
                "- {name} {phase} {status} {state}: {}",
                result.message
            ));
        }
        lines
    }
}

fn by_phase(value: &Value) -> (Value, Value) {
    (value["key"].clone(), value["syncPhase"].clone())
}

fn round(
    case: &Value,
    round: &Value,
    cluster: &Cluster,
    settings: &mut SyncSettings,
    state: &mut SyncState,
) -> Result<(), String> {
    let expected = &round["expected"];
    give(
        &mut cluster.0.lock().expect("not poisoned"),
        settings,
        &round["given"],
    );
    let input = input(case, &cluster.0.lock().expect("not poisoned"), settings);
    let (tasks, invalid) = state.tasks(&input, cluster);
    let tasks: Vec<serde_json::Value> = tasks
        .iter()
        .map(|task| {
            let mut value = json!({
                "key": shown(&task.key()), "phase": task.phase.to_string(), "wave": task.wave,
            });
            for (name, set) in [
                ("hook", task.is_hook()),
                ("prune", task.is_prune()),
                ("skipDryRun", task.skip_dry_run),
            ] {
                if set {
                    value[name] = true.into();
                }
            }
            value
        })
        .collect();
    same("tasks", &expected["tasks"], &json!(tasks).into())?;
    same(
        "tasksValid",
        &expected["tasksValid"],
        &Value::Bool(invalid.is_empty()),
    )?;
    let operations = act(&round["given"], &input, cluster, state);
    let wanted = expected["operations"]
        .as_array()
        .map(|list| list.to_vec())
        .unwrap_or_default();
    same(
        "operations",
        &Value::from(sort_operations(&wanted)),
        &Value::from(sort_operations(&operations)),
    )?;
    same(
        "phase",
        &expected["phase"],
        &Value::from(state.phase().to_string()),
    )?;
    if !expected["message"].is_null() {
        same(
            "message",
            &expected["message"],
            &Value::from(state.message()),
        )?;
    }
    let mut results: Vec<_> = state.results().to_vec();
    results.sort_by_key(|a| (shown(&a.key), a.phase));
    let results: Vec<serde_json::Value> = results
        .iter()
        .map(|result| {
            let mut value = json!({
                "key": shown(&result.key), "syncPhase": result.phase.to_string(),
                "message": result.message,
            });
            value["status"] = result
                .status
                .map(|s| s.to_string())
                .unwrap_or_default()
                .into();
            if result.hook.is_some() {
                value["hookType"] = result.phase.to_string().into();
            }
            value["hookPhase"] = result
                .state
                .map(|s| s.to_string())
                .unwrap_or_default()
                .into();
            value
        })
        .collect();
    let mut wanted = expected["results"]
        .as_array()
        .map(|list| list.to_vec())
        .unwrap_or_default();
    wanted.sort_by_key(by_phase);
    let mut results: Vec<Value> = results.into_iter().map(Value::from).collect();
    results.sort_by_key(by_phase);
    same("results", &Value::from(wanted), &Value::from(results))?;
    let live: Vec<String> = cluster
        .0
        .lock()
        .expect("not poisoned")
        .objects
        .keys()
        .cloned()
        .collect();
    let mut wanted = strings(&expected["live"]);
    wanted.sort();
    same("live", &json!(wanted).into(), &json!(live).into())
}

#[test]
fn conformance_sync_scenarios() {
    check("sync", "scenarios.json", |case| {
        let mut settings = settings(case);
        let cluster = cluster(case, &settings);
        let mut state = SyncState::new();
        let rounds = case["rounds"].as_array().ok_or("rounds is a list")?;
        for (i, one) in rounds.iter().enumerate() {
            round(case, one, &cluster, &mut settings, &mut state)
                .map_err(|error| format!("round {i}: {error}"))?;
        }
        Ok(())
    });
}
