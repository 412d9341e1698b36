//! From client-side to server-side apply.

use gitops_manifest::{Map, Object, Str, Value};

use super::managers::ManagersError;
use super::set::FieldSet;

/// The last-applied annotation, as sets of fields name it.
const LAST_APPLIED_FIELD: &str = "f:kubectl.kubernetes.io/last-applied-configuration";

/// Hands what managers own by updates over to one who applies: what client-side apply set is then removed when
/// a server-side apply leaves it out, and conflicts with nobody.
///
/// Does what `kubectl apply --server-side` and Argo CD do before the first apply (`csaupgrade` of client-go 0.36):
/// the updates of the managers in `from` (`kubectl-client-side-apply`) and of the [`client_side_appliers`] become applies of
/// `to`, those in the version of its entry are added to it, all others are dropped. Returns `None` where nothing changes.
///
/// # Errors
/// Where the fields of an entry that is handed over cannot be read.
pub fn migrate_to_apply(
    object: &Object,
    from: &[&str],
    to: &str,
) -> Result<Option<Object>, ManagersError> {
    let Some(Value::Array(entries)) = object.meta("managedFields") else {
        return Ok(None);
    };
    let mut migrated = entries.to_vec();
    let appliers = client_side_appliers(object);
    for manager in from.iter().copied().chain(appliers.iter().map(Str::as_str)) {
        hand_over(&mut migrated, manager, to)?;
    }
    if migrated == entries[..] {
        return Ok(None);
    }
    let mut object = object.clone();
    object
        .metadata_mut()
        .insert("managedFields", Value::from(migrated));
    Ok(Some(object))
}

/// Returns the managers that last applied an object on the client side: those whose updates own its last-applied annotation,
/// whatever they are called, each once. Before its first server-side apply `kubectl` 1.36 takes over what they own.
#[must_use]
pub fn client_side_appliers(object: &Object) -> Vec<Str> {
    let entries = object.meta("managedFields").and_then(Value::as_array);
    let mut appliers: Vec<Str> = Vec::new();
    for entry in entries.into_iter().flatten() {
        let annotations = entry.at(&["fieldsV1", "f:metadata", "f:annotations"]);
        if annotations.is_some_and(|owned| owned.get(LAST_APPLIED_FIELD).is_some())
            && let Some(manager) = entry["manager"].as_str()
            && is(entry, manager, "Update")
            && !appliers.iter().any(|known| **known == *manager)
        {
            appliers.push(manager.into());
        }
    }
    appliers
}

fn is(entry: &Value, manager: &str, operation: &str) -> bool {
    entry["manager"].as_str() == Some(manager)
        && entry["operation"].as_str() == Some(operation)
        && entry["subresource"].as_str().unwrap_or_default().is_empty()
}

fn hand_over(entries: &mut Vec<Value>, from: &str, to: &str) -> Result<(), ManagersError> {
    let position = entries
        .iter()
        .position(|entry| is(entry, to, "Apply"))
        .or_else(|| entries.iter().position(|entry| is(entry, from, "Update")));
    let Some(target) = position else {
        return Ok(());
    };
    let version = entries[target]["apiVersion"].clone();
    let mut fields = fields_of(&entries[target], target)?;
    let same_version = |entry: &Value| is(entry, from, "Update") && entry["apiVersion"] == version;
    if let Some(i) = entries.iter().position(same_version) {
        fields = fields.union(&fields_of(&entries[i], i)?);
    }
    if let Some(entry) = entries[target].as_object_mut() {
        take(entry, to, &fields);
    }
    entries.retain(|entry| !is(entry, from, "Update"));
    Ok(())
}

fn take(entry: &mut Map, manager: &str, fields: &FieldSet) {
    entry.insert("manager", manager);
    entry.insert("operation", Str::from_static("Apply"));
    entry.insert("fieldsV1", fields.to_value());
}

fn fields_of(entry: &Value, index: usize) -> Result<FieldSet, ManagersError> {
    FieldSet::from_value(entry.get("fieldsV1").unwrap_or(&Value::Null))
        .map_err(|source| ManagersError::Fields { index, source })
}
