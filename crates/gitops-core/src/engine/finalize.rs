use gitops_manifest::{Object, ObjectKey, Value};

use super::operate::Stage;
use super::{Engine, EngineError, Next};
use crate::application::Application;
use crate::{ApplicationId, DeleteOptions, Propagation, TargetError};

/// The finalizer with which the objects of an application go when it is deleted.
const CASCADE: &str = "resources-finalizer.argocd.argoproj.io";

impl Engine {
    /// Takes the objects of an application that is being deleted with it, the highest wave first, then lets
    /// the application go.
    pub(super) async fn finalize(
        &self,
        id: &ApplicationId,
        application: &Application,
    ) -> Result<Next, EngineError> {
        let cascades = application.finalizers().any(|f| f.starts_with(CASCADE));
        let Ok(Stage { connection, .. }) = self.stage(id) else {
            return self.release(id).await;
        };
        if !cascades {
            return Ok(Next::Idle);
        }
        let background = application
            .finalizers()
            .any(|f| f == format!("{CASCADE}/background"));
        let instance = self.instance(id);
        let own = ObjectKey::new(
            "argoproj.io",
            "Application",
            id.namespace.clone(),
            id.name.clone(),
        );
        let objects: Vec<Object> = {
            let live = connection.live.state();
            live.tracked(&instance)
                .filter(|object| object.key() != own && !stays(object))
                .cloned()
                .collect()
        };
        if objects.is_empty() {
            return self.release(id).await;
        }
        if objects.iter().any(Object::is_deleting) {
            return Ok(Next::After(self.options.step));
        }
        let last = objects.iter().map(crate::sync::wave_of).max();
        let propagation = if background {
            Propagation::Background
        } else {
            Propagation::Foreground
        };
        for object in objects
            .iter()
            .filter(|object| Some(crate::sync::wave_of(object)) == last)
        {
            let options = DeleteOptions::new(propagation)
                .with_precondition(crate::Precondition::Uid(object.uid().into()));
            match connection.target.delete(&object.key(), &options).await {
                Ok(()) | Err(TargetError::NotFound { .. }) => {}
                Err(error) if error.is_transient() => {}
                Err(error) => {
                    self.set_conditions(id, vec![("DeletionError", error.to_string())]);
                }
            }
        }
        Ok(Next::After(self.options.step))
    }

    /// Takes our finalizers off an application's object.
    pub(super) async fn release(&self, id: &ApplicationId) -> Result<Next, EngineError> {
        let Some(local) = self.local() else {
            return Ok(Next::Idle);
        };
        let key = ObjectKey::new(
            "argoproj.io",
            "Application",
            id.namespace.clone(),
            id.name.clone(),
        );
        let Some(mut object) = local.target.get(&key).await? else {
            return Ok(Next::Idle);
        };
        let precondition = crate::Precondition::unchanged(Some(&object));
        if let Some(Value::Array(finalizers)) = object.metadata_mut().get_mut("finalizers") {
            finalizers
                .make_mut()
                .retain(|f| !f.as_str().is_some_and(|f| f.starts_with(CASCADE)));
        }
        let options = crate::ApplyOptions {
            mode: crate::ApplyMode::Replace,
            manager: self.options.manager.clone(),
            precondition,
            ..crate::ApplyOptions::default()
        };
        match local.target.apply(&object, &options).await {
            Ok(_) | Err(TargetError::NotFound { .. } | TargetError::Changed { .. }) => {
                Ok(Next::After(self.options.step))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether an object outlives its application.
fn stays(object: &Object) -> bool {
    let definition =
        object.kind() == "CustomResourceDefinition" && object.group() == "apiextensions.k8s.io";
    definition
        || crate::sync::has_option(object, "Delete", "false")
        || object
            .annotation("helm.sh/resource-policy")
            .is_some_and(|policy| policy == "keep")
}
