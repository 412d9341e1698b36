use std::collections::{BTreeSet, HashMap};

use gitops_manifest::{Map, Object, ObjectKey, Str, Value};

use super::order::{defined_kind, mirror_prune_waves, prune_last, sort_tasks_of};
use super::{
    HOOK_FINALIZER, HookDeletePolicy, Hooks, Pair, SyncInput, SyncPhase, SyncSettings, SyncState,
    TaskResult, World, has_option, object_options, wave_of,
};
use crate::application::{OperationPhase, ResultCode};

/// One thing that a sync does: applies an object, or prunes it, or runs a hook, in one phase.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Task {
    /// The phase.
    pub phase: SyncPhase,
    /// The wave within the phase.
    pub wave: i64,
    /// What is wanted; absent for a task that prunes.
    pub desired: Option<Object>,
    /// What is there.
    pub live: Option<Object>,
    /// Whether the two differ.
    pub out_of_sync: bool,
    /// What the annotations say of hooks, for a hook.
    pub hook: Option<Hooks>,
    /// Whether the object cannot be tried out beforehand, as its kind is not known yet.
    pub skip_dry_run: bool,
    /// What became of it: in this sync, so far.
    pub status: Option<ResultCode>,
    /// How far it has come; absent while it is pending.
    pub state: Option<OperationPhase>,
    /// What there is to say of it.
    pub message: String,
}

impl Task {
    /// Makes a pending task of a pair of objects; at least one must be there.
    ///
    /// # Panics
    /// Where there is neither.
    #[must_use]
    pub fn new(phase: SyncPhase, desired: Option<Object>, live: Option<Object>) -> Self {
        let object = desired
            .as_ref()
            .or(live.as_ref())
            .expect("a task is about an object");
        let wave = wave_of(object);
        Self {
            phase,
            wave,
            desired,
            live,
            out_of_sync: true,
            hook: None,
            skip_dry_run: false,
            status: None,
            state: None,
            message: String::new(),
        }
    }

    /// Returns the desired object, or the live one where none is desired.
    #[must_use]
    pub fn object(&self) -> &Object {
        self.desired
            .as_ref()
            .or(self.live.as_ref())
            .expect("a task is about an object")
    }

    /// Returns the key of the object.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        self.object().key()
    }

    /// Whether it deletes an object that is gone from the source.
    #[must_use]
    pub const fn is_prune(&self) -> bool {
        self.desired.is_none()
    }

    /// Whether it runs a hook.
    #[must_use]
    pub const fn is_hook(&self) -> bool {
        self.hook.is_some()
    }

    /// Whether nothing was done yet.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.state.is_none()
    }

    /// Whether it was begun and is not at its end.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        matches!(self.state, Some(OperationPhase::Running))
    }

    /// Whether it has come to its end.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.state.is_some_and(OperationPhase::is_completed)
    }

    /// Whether it has come to a good end.
    #[must_use]
    pub fn is_successful(&self) -> bool {
        self.state.is_some_and(OperationPhase::is_successful)
    }

    pub(super) fn deletes_hook(&self, policy: HookDeletePolicy) -> bool {
        self.hook.as_ref().is_some_and(|hook| hook.deletes(policy))
    }

    pub(super) fn must_be_deleted_first(&self) -> bool {
        self.live.is_some()
            && self.is_pending()
            && self.deletes_hook(HookDeletePolicy::BeforeHookCreation)
    }
}

/// What a sync does.
pub(super) struct Built {
    pub(super) tasks: Vec<Task>,
    /// What is said of tasks that cannot be carried out.
    pub(super) complaints: Vec<TaskResult>,
}

/// Builds all tasks from what is desired and what is there, and lays the recorded results over them.
pub(super) fn build(input: &SyncInput, state: &SyncState, world: &dyn World) -> Built {
    let SyncInput {
        settings,
        pairs,
        hooks,
        ..
    } = input;
    let mut tasks = Vec::with_capacity(pairs.len() + hooks.len());
    for pair in pairs {
        push_pair(&mut tasks, settings, pair);
    }
    if !settings.skip_hooks && !settings.is_selective() {
        for (object, live) in hooks {
            push_hook(&mut tasks, settings, object, live.as_ref());
        }
    }
    default_namespaces(&mut tasks, settings, world);
    find_named_hooks(&mut tasks, pairs);
    push_namespace(&mut tasks, input);
    let complaints = validate(&mut tasks, input, world);
    mirror_prune_waves(&mut tasks);
    prune_last(&mut tasks, |task| {
        settings.prune_last
            || task
                .live
                .as_ref()
                .is_some_and(|live| has_option(live, "PruneLast", "true"))
    });
    sort_tasks_of(&mut tasks, &settings.namespace);
    let complained: HashMap<(&ObjectKey, SyncPhase), &TaskResult> = complaints
        .iter()
        .map(|complaint| ((&complaint.key, complaint.phase), complaint))
        .collect();
    for task in &mut tasks {
        let (key, phase) = (task.key(), task.phase);
        let complaint = complained.get(&(&key, phase)).copied();
        if let Some(result) = complaint.or_else(|| state.result(&key, phase)) {
            task.status = result.status;
            task.state = result.state;
            task.message.clone_from(&result.message);
        } else if task.is_hook() && state.was_begun(&key, phase, task.live.as_ref()) {
            // The hook was made and the note of it was lost: it must not be made again.
            task.status = Some(ResultCode::Synced);
            task.state = Some(OperationPhase::Running);
        }
    }
    Built { tasks, complaints }
}

fn push_pair(tasks: &mut Vec<Task>, settings: &SyncSettings, pair: &Pair) {
    let key = pair.key();
    if !settings.selects(&key) {
        return;
    }
    let hooks = Hooks::of(
        pair.desired
            .as_ref()
            .or(pair.live.as_ref())
            .expect("a pair is not empty"),
    );
    // What is marked to be skipped is left alone, and a hook that is left over in the cluster is never pruned.
    if hooks.skip || hooks.is_hook {
        return;
    }
    let mut task = Task::new(SyncPhase::Sync, pair.desired.clone(), pair.live.clone());
    task.out_of_sync = pair.out_of_sync;
    tasks.push(task);
}

fn push_hook(
    tasks: &mut Vec<Task>,
    settings: &SyncSettings,
    object: &Object,
    live: Option<&Object>,
) {
    let hooks = Hooks::of(object);
    for phase in hooks.phases() {
        let mut desired = object.clone();
        if desired.name().is_empty() {
            let name = format!(
                "{}{}-{}-{}",
                desired.generate_name(),
                in_a_name(&settings.revision),
                phase.to_string().to_lowercase(),
                settings.started_at.as_secs()
            );
            desired.metadata_mut().insert("name", name);
        }
        add_finalizer(&mut desired);
        let mut task = Task::new(phase, Some(desired), live.cloned());
        task.hook = Some(hooks.clone());
        tasks.push(task);
    }
}

/// Returns the beginning of a revision as a part of a name: seven characters, or all of a shorter one. A digest is told
/// by its number, and what versions have and names must not have (`1.0.0+build`) is a dash.
fn in_a_name(revision: &str) -> String {
    let revision = revision.strip_prefix("sha256:").unwrap_or(revision);
    let length = if revision.len() >= 8 {
        7
    } else {
        revision.len()
    };
    let permitted = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() || c == '.' => c,
        _ => '-',
    };
    revision.chars().take(length).map(permitted).collect()
}

/// Finds the live objects of hooks that got their names only here.
fn find_named_hooks(tasks: &mut [Task], pairs: &[Pair]) {
    let is_lost = |task: &&mut Task| task.is_hook() && task.live.is_none();
    let lost: Vec<&mut Task> = tasks.iter_mut().filter(is_lost).collect();
    if lost.is_empty() {
        return;
    }
    let live: HashMap<ObjectKey, &Object> = pairs
        .iter()
        .filter_map(|pair| pair.live.as_ref())
        .map(|live| (live.key(), live))
        .collect();
    for task in lost {
        task.live = live.get(&task.key()).map(|live| (*live).clone());
    }
}

fn add_finalizer(object: &mut Object) {
    let metadata = object.metadata_mut();
    let finalizers = metadata.entry("finalizers");
    match finalizers {
        Value::Array(list) if list.iter().any(|f| f.as_str() == Some(HOOK_FINALIZER)) => {}
        Value::Array(list) => list.make_mut().push(HOOK_FINALIZER.into()),
        other => *other = Value::from(vec![Value::from(HOOK_FINALIZER)]),
    }
}

/// Gives objects without a namespace the one of the destination, as Argo CD does even for objects of the
/// cluster; where the kind is known to have none, ours stays without.
fn default_namespaces(tasks: &mut [Task], settings: &SyncSettings, world: &dyn World) {
    for task in tasks {
        let Some(desired) = &mut task.desired else {
            continue;
        };
        if !desired.namespace().is_empty() || settings.namespace.is_empty() {
            continue;
        }
        if !matches!(world.kind(&desired.gvk()), Ok(Some(kind)) if !kind.namespaced) {
            desired.set_namespace(settings.namespace.clone());
        }
    }
}

fn push_namespace(tasks: &mut Vec<Task>, input: &SyncInput) {
    let settings = &input.settings;
    if !settings.create_namespace || settings.namespace.is_empty() {
        return;
    }
    // The desired objects may bring the namespace along, with its own content. Hooks do not count.
    let is_it = |object: &Object| is_namespace(object, &settings.namespace);
    if input
        .pairs
        .iter()
        .any(|pair| pair.desired.as_ref().is_some_and(is_it))
    {
        return;
    }
    let live = input.namespace.clone();
    let managed = settings.namespace_metadata.as_ref();
    if live.is_some() && managed.is_none() {
        return;
    }
    let mut metadata = Map::from([("name", Value::from(settings.namespace.clone()))]);
    if let Some(managed) = managed {
        for (field, values) in [
            ("labels", &managed.labels),
            ("annotations", &managed.annotations),
        ] {
            if !values.is_empty() {
                let values: Map = values
                    .iter()
                    .map(|(k, v)| (k.as_str(), v.as_str()))
                    .collect();
                metadata.insert(field, values);
            }
        }
        if !metadata.contains_key("annotations") {
            metadata.insert("annotations", Map::new());
        }
        metadata
            .entry_object("annotations")
            .insert(super::SYNC_OPTIONS, "ServerSideApply=true");
    }
    let object = Object::new(Map::from([
        ("apiVersion", Value::from("v1")),
        ("kind", Value::from("Namespace")),
        ("metadata", Value::from(metadata)),
    ]))
    .expect("apiVersion and kind are there");
    let mut task = Task::new(SyncPhase::PreSync, Some(object), live);
    task.wave = 0;
    tasks.push(task);
}

/// Whether an object is the namespace of that name.
pub(crate) fn is_namespace(object: &Object, name: &str) -> bool {
    object.kind() == "Namespace" && object.group().is_empty() && object.name() == name
}

/// Checks that every kind is served and every object permitted.
fn validate(tasks: &mut [Task], input: &SyncInput, world: &dyn World) -> Vec<TaskResult> {
    let settings = &input.settings;
    let desired = input.pairs.iter().filter_map(|pair| pair.desired.as_ref());
    let defined: BTreeSet<String> = desired
        .chain(input.hooks.iter().map(|(hook, _)| hook))
        .filter_map(defined_kind)
        .collect();
    let mut kinds = HashMap::new();
    let mut complaints = Vec::new();
    for task in tasks {
        let object = task.object();
        let gvk = object.gvk();
        let kind = kinds.entry(gvk.clone()).or_insert_with(|| world.kind(&gvk));
        let complaint = match kind {
            Ok(Some(kind)) => world.permit(object, kind).err(),
            Ok(None) => {
                let tolerated = settings.skip_dry_run_on_missing
                    || defined.contains(&format!("{}/{}", gvk.group, gvk.kind))
                    || task.desired.as_ref().is_none_or(|desired| {
                        has_option(desired, "SkipDryRunOnMissingResource", "true")
                    });
                task.skip_dry_run = tolerated;
                (!tolerated).then(|| world.unknown_kind(&gvk))
            }
            Err(error) => Some(error.clone()),
        };
        if let Some(complaint) = complaint {
            complaints.push(TaskResult {
                status: Some(ResultCode::SyncFailed),
                message: complaint,
                ..result_of(task)
            });
        }
    }
    complaints
}

/// Returns the value of `Prune` for an object: its own, else that of the application.
pub(super) fn prune_option<'a>(live: &'a Object, settings: &'a SyncSettings) -> &'a str {
    object_options(live)
        .find(|(name, _)| *name == "Prune")
        .map_or(&*settings.prune_option, |(_, value)| value)
}

/// Notes how a task stands.
pub(super) fn result_of(task: &Task) -> TaskResult {
    TaskResult {
        key: task.key(),
        version: Str::from(task.object().version()),
        phase: task.phase,
        hook: task
            .hook
            .as_ref()
            .and_then(|hook| hook.types.first().copied()),
        wave: task.wave,
        status: task.status,
        state: task.state,
        message: task.message.clone(),
        images: images(task.object()),
    }
}

/// Returns the images of an object's containers as Argo CD finds them: of the first of these fields that there is.
fn images(object: &Object) -> Vec<Str> {
    let paths: [&[&str]; 3] = [
        &["spec", "containers"],
        &["spec", "template", "spec", "containers"],
        &[
            "spec",
            "jobTemplate",
            "spec",
            "template",
            "spec",
            "containers",
        ],
    ];
    let containers = paths.iter().find_map(|path| object.at(path)?.as_array());
    let containers = containers
        .into_iter()
        .flat_map(|containers| containers.iter());
    let images = containers.filter_map(|container| container.get("image")?.as_str());
    images.map(Str::from).collect()
}
