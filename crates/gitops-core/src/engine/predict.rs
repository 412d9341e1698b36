//! What comparing objects asks of a cluster besides the objects: the types of custom resources, and what the server says
//! that applying would do.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError};

use futures::stream::{self, StreamExt as _};
use gitops_diff::schema::Schemas;
use gitops_manifest::{GroupKind, Object, ObjectKey, Str};

use super::refresh::{Trouble, chain};
use super::{ClusterConnection, Engine};
use crate::application::Application;
use crate::comparison::{COMPARE_OPTIONS, has_option};
use crate::diffing::{Answer, Answers};
use crate::sync::Hooks;
use crate::{ApplicationId, ApplyOptions, Differ, Discovery, Target, TargetError};

/// How many dry runs of one application are under way at the same time.
const DRY_RUNS: usize = 16;

/// The types of the custom resources of a cluster, as far as they were asked for.
#[derive(Default)]
pub(super) struct Types {
    schemas: Arc<Schemas>,
    /// Which state of its definition the type of a kind was read from.
    read: HashMap<GroupKind, Str>,
}

impl Types {
    /// Takes over what a definition says, where it is news.
    fn learn(&mut self, kind: &GroupKind, definition: &Object) {
        // A definition that has no types, or none that can be read, leaves its kind to be compared without.
        let _ = Arc::make_mut(&mut self.schemas).register_crd(definition);
        self.read
            .insert(kind.clone(), definition.resource_version().into());
    }

    fn forget(&mut self, kind: &GroupKind, discovery: &Discovery) {
        if self.read.remove(kind).is_some() {
            let of_kind = |known: &&crate::ApiKind| known.gvk.group_kind() == *kind;
            for known in discovery.kinds().iter().filter(of_kind) {
                Arc::make_mut(&mut self.schemas).forget(&known.gvk);
            }
        }
    }
}

/// Returns the kinds of objects whose type a comparison asks for and only the cluster knows, with the keys of their
/// definitions.
fn defined_kinds(
    differ: &Differ,
    all: bool,
    desired: &[Object],
    discovery: &Discovery,
) -> BTreeMap<GroupKind, ObjectKey> {
    let mut kinds = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for object in desired {
        let kind = object.group_kind();
        if seen.contains(&kind) || !(all || differ.asks_for_type(object)) {
            continue;
        }
        let built_in = Schemas::builtin().lookup(object.group(), object.version(), object.kind());
        if built_in.is_none()
            && let Some(known) = discovery.preferred(&kind)
        {
            let name = format!("{}.{}", known.plural, kind.group);
            let group = "apiextensions.k8s.io";
            let key = ObjectKey::new(group, "CustomResourceDefinition", "", name);
            kinds.insert(kind.clone(), key);
        }
        seen.insert(kind);
    }
    kinds
}

impl Engine {
    /// Makes what compares the objects of an application, without anything that has to be asked for.
    pub(super) fn differ(&self, application: &Application) -> Result<Differ, String> {
        let spec = &application.spec;
        let differ = Differ::with_settings(&spec.ignore_differences, &self.options.diffing)?;
        Ok(differ
            .with_manager(self.options.manager.clone())
            .with_server_side(spec.sync_option("ServerSideApply") == Some("true"))
            .with_client_side_kept(spec.sync_option("ClientSideApplyMigration") == Some("false"))
            .with_webhook_mutations(says(application, "IncludeMutationWebhook=true")))
    }

    /// Whether the server is asked what applying the objects of an application would make of them.
    fn asks_the_server(&self, application: &Application) -> bool {
        // As in Argo CD the word against it counts more.
        !says(application, "ServerSideDiff=false")
            && (self.options.server_side_diff || says(application, "ServerSideDiff=true"))
    }

    /// Gives what compares the objects of an application the types of custom resources: of `all`, or of those where they
    /// have a say. Returns the definitions on which it now depends.
    async fn with_types(
        &self,
        differ: Differ,
        all: bool,
        connection: &ClusterConnection,
        desired: &[Object],
        discovery: &Discovery,
    ) -> (Differ, Vec<ObjectKey>) {
        let kinds = defined_kinds(&differ, all, desired, discovery);
        if kinds.is_empty() {
            return (differ, Vec::new());
        }
        let types = || {
            let types = connection.types.lock();
            types.unwrap_or_else(PoisonError::into_inner)
        };
        for (kind, key) in &kinds {
            let found = connection.live.state().get(key).cloned();
            let Some(found) = found else {
                types().forget(kind, discovery);
                continue;
            };
            if types().read.get(kind).map(|version| &**version) == Some(found.resource_version()) {
                continue;
            }
            if found.at(&["spec", "versions"]).is_some() {
                types().learn(kind, &found);
            } else if let Ok(Some(definition)) = connection.target.get(key).await {
                // Of the definition only the metadata is followed.
                types().learn(kind, &definition);
            }
        }
        let schemas = Arc::clone(&types().schemas);
        (differ.with_schemas(schemas), kinds.into_values().collect())
    }

    /// Asks the server what applying the objects of an application would make of those that are there. What was answered
    /// before to the same question is not asked again.
    async fn with_answers(
        &self,
        id: &ApplicationId,
        differ: Differ,
        connection: &ClusterConnection,
        target: &dyn Target,
        desired: &[Object],
    ) -> Result<Differ, TargetError> {
        let known = match self.known().applications.get(id) {
            Some(state) => Arc::clone(&state.answers),
            None => Arc::default(),
        };
        let mut answers = HashMap::new();
        let mut questions = Vec::new();
        {
            let live = connection.live.state();
            for object in desired {
                let hooks = Hooks::of(object);
                if hooks.is_hook || hooks.skip || hooks.is_of_deletion() {
                    continue;
                }
                let key = object.key();
                let Some(found) = live.get(&key) else {
                    continue;
                };
                match known.0.get(&key) {
                    Some(answer) if known.to(object, found).is_some() => {
                        answers.insert(key, answer.clone());
                    }
                    _ => questions.push((key, object, identity(found))),
                }
            }
        }
        let mut options = ApplyOptions::server_side(self.options.manager.clone())
            .with_force(true)
            .with_dry_run(true);
        // Taking over what was applied on the client side would be more than a question.
        options.keep_client_side = true;
        let options = &options;
        let mut answered = stream::iter(questions)
            .map(|(key, object, live)| async move {
                (key, object, live, target.apply(object, options).await)
            })
            .buffer_unordered(DRY_RUNS);
        while let Some((key, object, live, answer)) = answered.next().await {
            let outcome = match answer {
                Ok(applied) => Ok(applied.object),
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => Err(format!("the dry run says: {}", chain(&error))),
            };
            let answer = Answer {
                desired: object.clone(),
                live,
                outcome,
            };
            answers.insert(key, answer);
        }
        let answers = Arc::new(Answers(answers));
        if let Some(state) = self.known().applications.get_mut(id) {
            state.answers = Arc::clone(&answers);
        }
        Ok(differ.with_answers(answers))
    }

    /// Makes what compares the objects of an application, with all that it asks for.
    pub(super) async fn differ_for(
        &self,
        id: &ApplicationId,
        application: &Application,
        connection: &ClusterConnection,
        target: impl FnOnce() -> Result<Arc<dyn Target>, String>,
        desired: &[Object],
        discovery: &Discovery,
    ) -> Result<(Differ, Vec<ObjectKey>), Trouble> {
        let differ = self
            .differ(application)
            .map_err(|error| Trouble::spec(format!("spec.ignoreDifferences: {error}")))?;
        let asks = self.asks_the_server(application);
        // What webhooks did to the answer is told apart by type.
        let (differ, definitions) = self
            .with_types(differ, asks, connection, desired, discovery)
            .await;
        if !asks {
            return Ok((differ, definitions));
        }
        let target = target().map_err(Trouble::spec)?;
        let differ = self
            .with_answers(id, differ, connection, &*target, desired)
            .await
            .map_err(|error| Trouble::comparison(&error))?;
        Ok((differ, definitions))
    }
}

fn says(application: &Application, wanted: &str) -> bool {
    has_option(application.annotation(COMPARE_OPTIONS), wanted)
}

fn identity(live: &Object) -> (Str, Str) {
    (live.uid().into(), live.resource_version().into())
}
