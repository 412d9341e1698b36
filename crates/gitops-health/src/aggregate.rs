use gitops_manifest::{Object, ObjectKey};

use crate::{Assessment, HealthStatus, ignores_health};

/// How many objects the message of an application names.
const NAMED: usize = 3;

/// One object of an application, as [`aggregate`] counts it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Part<'a> {
    /// Which object it is.
    pub key: &'a ObjectKey,
    /// The object in the cluster, where it is there.
    pub live: Option<&'a Object>,
    /// Its health; `None` where it has none.
    pub health: Option<&'a Assessment>,
    /// Whether it is skipped or a hook, and no part of the application for that reason.
    pub excluded: bool,
}

impl<'a> Part<'a> {
    /// Makes a part of an object that is in the cluster.
    #[must_use]
    pub const fn live(
        key: &'a ObjectKey,
        live: &'a Object,
        health: Option<&'a Assessment>,
    ) -> Self {
        Self {
            key,
            live: Some(live),
            health,
            excluded: false,
        }
    }

    /// Makes a part of an object that is expected, and not in the cluster.
    #[must_use]
    pub const fn missing(key: &'a ObjectKey) -> Self {
        Self {
            key,
            live: None,
            health: None,
            excluded: false,
        }
    }

    /// Takes the object out: it is a hook, or skipped.
    #[must_use]
    pub const fn excluded(mut self, excluded: bool) -> Self {
        self.excluded = excluded;
        self
    }
}

/// Puts the health of an application together from that of its objects, as Argo CD 3.6 does: the worst counts.
///
/// Left out are hooks and skipped objects, objects annotated with `ignore-healthcheck`, the application
/// `itself`, objects that are not in the cluster, objects without health, and child applications that are
/// missing or unknown. Where objects are expected and none is there, the application is at least missing.
/// The message, which Argo CD leaves empty, names up to three objects at fault, with their causes; the cause is the first's.
///
/// ```
/// use gitops_health::{Context, HealthStatus, Part, aggregate, assess};
/// use gitops_manifest::Object;
///
/// let service = Object::try_from(serde_json::json!({
///     "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
///     "spec": {"type": "LoadBalancer"},
/// }))?;
/// let (key, health) = (service.key(), assess(&service, &Context::new()));
/// let app = aggregate([Part::live(&key, &service, health.as_ref())], None);
/// assert_eq!(app.status, HealthStatus::Progressing);
/// assert_eq!(app.message, "Service/shop/web is Progressing");
/// # Ok::<(), gitops_manifest::ObjectError>(())
/// ```
#[must_use]
pub fn aggregate<'a>(
    parts: impl IntoIterator<Item = Part<'a>>,
    itself: Option<&ObjectKey>,
) -> Assessment {
    let mut worst = HealthStatus::Healthy;
    let (mut any_expected, mut any_live) = (false, false);
    let mut culprits: Vec<(&ObjectKey, &Assessment)> = Vec::new();
    let mut others = 0_usize;

    for part in parts {
        if part.excluded {
            continue;
        }
        any_expected = true;
        let Some(live) = part.live else { continue };
        any_live = true;
        if ignores_health(live) || itself == Some(part.key) {
            continue;
        }
        let Some(health) = part.health else { continue };
        let child = part.key.kind == "Application" && part.key.group == "argoproj.io";
        if child && matches!(health.status, HealthStatus::Missing | HealthStatus::Unknown) {
            continue;
        }
        if health.status > worst {
            worst = health.status;
            culprits.clear();
            others = 0;
        }
        if health.status == worst && !worst.is_healthy() {
            if culprits.len() < NAMED {
                culprits.push((part.key, health));
            } else {
                others += 1;
            }
        }
    }

    if any_expected && !any_live && worst < HealthStatus::Missing {
        return Assessment::new(
            HealthStatus::Missing,
            "none of the application's objects is in the cluster",
        );
    }
    let mut app = Assessment::new(worst, message(worst, &culprits, others));
    if let Some((_, first)) = culprits.first() {
        app.cause.clone_from(&first.cause);
        app.since = culprits.iter().filter_map(|(_, health)| health.since).min();
    }
    app
}

fn message(worst: HealthStatus, culprits: &[(&ObjectKey, &Assessment)], others: usize) -> String {
    use std::fmt::Write as _;

    let mut out = String::new();
    for (i, (key, health)) in culprits.iter().enumerate() {
        let lead = if i > 0 { "; " } else { "" };
        // Writing to a string does not fail.
        let _ = write!(out, "{lead}{key} is {worst}");
        if !health.message.is_empty() {
            let _ = write!(out, ": {}", health.message);
        }
        if let Some(cause) = health
            .cause
            .as_deref()
            .filter(|cause| cause.object != **key)
        {
            let _ = write!(out, ", because of {cause}");
        }
    }
    if others > 0 {
        let _ = write!(out, "; and {others} more");
    }
    out
}
