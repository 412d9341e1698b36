//! Which application an object belongs to.
//!
//! As Argo CD 3.6 does, the engine notes it in the annotation `argocd.argoproj.io/tracking-id`, in the label
//! `app.kubernetes.io/instance`, or in both. An id names the object as well, so that an annotation that was
//! copied along to another object does not make that one ours.

use gitops_manifest::{Object, ObjectKey, Str, Value};
use serde::{Deserialize, Serialize};

/// The annotation that holds a tracking id.
pub const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";

/// The annotation that holds the id of the installation.
pub const INSTALLATION_ID: &str = "argocd.argoproj.io/installation-id";

/// How it is noted which application an object belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrackingMethod {
    /// In an annotation.
    #[default]
    Annotation,
    /// In a label.
    Label,
    /// In an annotation, and for other tools in a label cut to size.
    #[serde(rename = "annotation+label")]
    AnnotationAndLabel,
}

/// How objects are tracked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tracking {
    /// Where it is noted.
    pub method: TrackingMethod,
    /// The label.
    pub label: Str,
    /// The id of this installation, where several share a cluster; empty for none.
    pub installation: Str,
}

impl Default for Tracking {
    fn default() -> Self {
        Self {
            method: TrackingMethod::default(),
            label: Str::from_static("app.kubernetes.io/instance"),
            installation: Str::default(),
        }
    }
}

/// A tracking id: an application, and the object that it stands on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrackingId {
    /// The application: `name`, or `namespace_name` outside the control namespace.
    pub application: Str,
    /// The object. One of the cluster carries the destination namespace.
    pub key: ObjectKey,
}

impl TrackingId {
    /// Reads an id: `application:group/Kind:namespace/name`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // A name may contain colons (roles do); the application and the kind may not.
        let mut parts = text.splitn(3, ':');
        let (application, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
        let (group, kind) = kind.split_once('/')?;
        let (namespace, name) = name.split_once('/')?;
        if kind.contains('/') || name.contains('/') {
            return None;
        }
        Some(Self {
            application: application.into(),
            key: ObjectKey::new(group, kind, namespace, name),
        })
    }
}

impl std::fmt::Display for TrackingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ObjectKey {
            group,
            kind,
            namespace,
            name,
        } = &self.key;
        write!(f, "{}:{group}/{kind}:{namespace}/{name}", self.application)
    }
}

impl Tracking {
    /// Notes on an object that it belongs to an application. `namespace` is that of the destination.
    /// Definitions of kinds are left as they are: they outlive the applications that bring them.
    pub fn track(&self, object: &mut Object, application: &str, namespace: &str) {
        if object.kind() == "CustomResourceDefinition" && object.group() == "apiextensions.k8s.io" {
            return;
        }
        if self.method != TrackingMethod::Label {
            let mut key = object.key();
            if key.namespace.is_empty() {
                key.namespace = namespace.into();
            }
            let id = TrackingId {
                application: application.into(),
                key,
            };
            object.set_annotation(TRACKING_ID, id.to_string());
        }
        match self.method {
            TrackingMethod::Annotation => {}
            TrackingMethod::Label => object.set_label(self.label.clone(), application),
            TrackingMethod::AnnotationAndLabel => {
                object.set_label(self.label.clone(), cut(application));
            }
        }
        if self.method == TrackingMethod::Label {
            return;
        }
        if !self.installation.is_empty() {
            object.set_annotation(INSTALLATION_ID, self.installation.clone());
        } else if object.annotation(INSTALLATION_ID).is_some()
            && let Some(Value::Object(annotations)) = object.metadata_mut().get_mut("annotations")
        {
            annotations.remove(INSTALLATION_ID);
        }
    }

    fn is_of_another_installation(&self, object: &Object) -> bool {
        !self.installation.is_empty()
            && object.annotation(INSTALLATION_ID) != Some(&self.installation)
    }

    /// Returns the application that an object says it belongs to.
    #[must_use]
    pub fn owner(&self, object: &Object) -> Option<Str> {
        if self.method != TrackingMethod::Label && self.is_of_another_installation(object) {
            return None;
        }
        match self.method {
            TrackingMethod::Label => object.label(&self.label).map(Str::from),
            _ => Some(TrackingId::parse(object.annotation(TRACKING_ID)?)?.application),
        }
        .filter(|application| !application.is_empty())
    }

    /// Whether the id on a live object is about this object, not copied from another. Where the application
    /// desires an object under its key, that one tells what the id should be: the group of a kind may have
    /// changed since the id was written.
    #[must_use]
    pub fn is_self_referenced(&self, live: &Object, desired: Option<&Object>) -> bool {
        if self.method == TrackingMethod::Label {
            return true;
        }
        let key = match desired {
            Some(desired) => desired.key(),
            // What another installation wrote there says nothing to this one.
            None if self.is_of_another_installation(live) => return true,
            None => match live.annotation(TRACKING_ID).and_then(TrackingId::parse) {
                Some(id) => id.key,
                None => return true,
            },
        };
        (live.namespace().is_empty() || live.namespace() == &*key.namespace)
            && live.name() == &*key.name
            && live.group() == &*key.group
            && live.kind() == &*key.kind
    }

    /// Brings a live object into the form in which it is compared: one that was tracked by label alone takes
    /// over the id of the desired one, so that the change of method is no difference.
    pub fn normalize(&self, desired: &Object, live: &mut Object) {
        let is_definition = desired.kind() == "CustomResourceDefinition"
            && desired.group() == "apiextensions.k8s.io";
        if is_definition || self.method == TrackingMethod::Label {
            return;
        }
        let is_empty = |text: Option<&str>| text.is_none_or(str::is_empty);
        if is_empty(live.label(&self.label)) {
            return;
        }
        if is_empty(live.annotation(TRACKING_ID))
            && let Some(id) = desired.annotation(TRACKING_ID)
        {
            live.set_annotation(TRACKING_ID, id);
        }
        if is_empty(desired.label(&self.label))
            && let Some(labels) = live
                .metadata_mut()
                .get_mut("labels")
                .and_then(|l| l.as_object_mut())
        {
            labels.remove(&self.label);
            if labels.is_empty() {
                live.metadata_mut().remove("labels");
            }
        }
    }
}

/// Cuts a name to the length of a label; what is left ends with a letter or digit.
fn cut(name: &str) -> &str {
    let mut end = name.len().min(63);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let cut = &name[..end];
    if cut.len() == name.len() {
        name
    } else {
        cut.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
    }
}
