use std::collections::BTreeMap;

use gitops_manifest::{Object, Str, Value, yaml};

use crate::view;

/// The key under which an `argocd-cm` keeps all customisations in one text; prefix of the keys of single ones.
const KEY: &str = "resource.customizations";

/// What an `argocd-cm` says of one kind, as far as health and actions go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Customization {
    /// The health script in Lua; empty where there is none.
    pub health: Str,
    /// Whether the script may use the libraries of Lua that no limit reaches.
    pub use_open_libs: bool,
    /// The actions.
    pub actions: Option<CustomActions>,
}

/// The actions of a kind, as their scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CustomActions {
    /// The script that tells which actions there are; empty where there is none.
    pub discovery: Str,
    /// The scripts of the actions, by name.
    pub definitions: BTreeMap<Str, Str>,
    /// Whether the built-in actions of the kind are offered as well.
    pub merge_builtin: bool,
}

/// Something in an `argocd-cm` cannot be used; the rest of it can. Mending the ConfigMap helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use {key} of ConfigMap {name}: {why}")]
#[non_exhaustive]
pub struct CustomizationError {
    /// The name of the ConfigMap.
    pub name: Str,
    /// The key within it.
    pub key: Str,
    /// What is wrong.
    pub why: String,
}

/// The customisations of kinds that an `argocd-cm` ConfigMap holds.
///
/// They are read as Argo CD 3.6 reads them: from `resource.customizations`, a map in YAML from `group/Kind` (with
/// `*` as a wildcard) to the customisation, and from a key for each, `resource.customizations.health.<group>_<kind>`,
/// `…useOpenLibs.…` and `…actions.…`, which come after and win.
///
/// ```
/// use gitops_health::Customizations;
/// use gitops_manifest::Object;
///
/// let config = Object::try_from(serde_json::json!({
///     "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"},
///     "data": {
///         "resource.customizations": "example.org/*:\n  health.lua: return {status = 'Healthy'}\n",
///         "resource.customizations.health.cert-manager.io_Certificate": "return {status = 'Unknown'}",
///     },
/// }))?;
/// let (customizations, errors) = Customizations::read(&config);
/// assert_eq!(errors, []);
/// let keys: Vec<&str> = customizations.iter().map(|(key, _)| key).collect();
/// assert_eq!(keys, ["cert-manager.io/Certificate", "example.org/*"]);
/// # Ok::<(), gitops_manifest::ObjectError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Customizations {
    name: Str,
    by_key: BTreeMap<String, Customization>,
}

impl Customizations {
    /// Reads a ConfigMap, and returns what could be read and what could not.
    #[must_use]
    pub fn read(config_map: &Object) -> (Self, Vec<CustomizationError>) {
        let name: Str = config_map.name().into();
        let mut read = Self {
            name: name.clone(),
            by_key: BTreeMap::new(),
        };
        let mut errors = Vec::new();
        let mut fail = |key: &str, why: String| {
            errors.push(CustomizationError {
                name: name.clone(),
                key: key.into(),
                why,
            });
        };
        let entries = || {
            config_map
                .get("data")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
        };
        for (key, value) in entries() {
            let Some(text) = value.as_str() else {
                fail(key, format!("it must be text, not {}", value.type_name()));
                continue;
            };
            if key == KEY {
                read.read_all(text)
                    .unwrap_or_else(|whys| whys.into_iter().for_each(|why| fail(key, why)));
            }
        }
        for (key, value) in entries() {
            // What comes after the type may hold dots: it is a group and a kind.
            let single = key
                .strip_prefix(KEY)
                .and_then(|rest| rest.strip_prefix('.'));
            let Some((what, kind)) = single.and_then(|single| single.split_once('.')) else {
                continue;
            };
            let text = value.as_str().unwrap_or_default();
            if let Err(why) = read.read_one(what, kind, text) {
                fail(key, why);
            }
        }
        (read, errors)
    }

    /// Goes over the customisations, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Customization)> {
        self.by_key.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Reads the map of all customisations. One that cannot be read does not stop the others.
    fn read_all(&mut self, text: &str) -> Result<(), Vec<String>> {
        let all = parse(text).map_err(|why| vec![why])?;
        let all = match &all {
            Value::Null => return Ok(()),
            Value::Object(map) => map,
            other => return Err(vec![format!("it must be a map, not {}", other.type_name())]),
        };
        let mut whys = Vec::new();
        for (kind, told) in all {
            match customization(told) {
                Ok(customization) => {
                    self.by_key.insert(kind.to_string(), customization);
                }
                Err(why) => whys.push(format!("{kind}: {why}")),
            }
        }
        if whys.is_empty() { Ok(()) } else { Err(whys) }
    }

    /// Reads the value of a key of its own.
    fn read_one(&mut self, what: &str, kind: &str, text: &str) -> Result<(), String> {
        let parts: Vec<&str> = kind.split('_').collect();
        let key = match parts.as_slice() {
            ["all"] => "*/*".to_owned(),
            [kind] if !kind.is_empty() => (*kind).to_owned(),
            [group, kind] => format!("{group}/{kind}"),
            _ => {
                return Err(format!(
                    "the key must end in <group>_<kind> or <kind>, not {kind:?}"
                ));
            }
        };
        let mut customization = self.by_key.get(&key).cloned().unwrap_or_default();
        match what {
            "health" => customization.health = text.into(),
            "useOpenLibs" => {
                customization.use_open_libs = match text {
                    "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
                    "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
                    _ => return Err(format!("{text:?} is no boolean")),
                };
            }
            "actions" => customization.actions = Some(actions(text)?),
            // These are for comparison, and read where objects are compared.
            "ignoreDifferences" | "ignoreResourceUpdates" | "knownTypeFields" => return Ok(()),
            other => return Err(format!("resource customization type {other} not supported")),
        }
        self.by_key.insert(key, customization);
        Ok(())
    }

    /// Makes rules of the health scripts, and returns those that cannot be parsed.
    #[cfg(feature = "lua")]
    #[must_use]
    pub fn rules(
        &self,
        runtime: &std::sync::Arc<crate::lua::LuaRuntime>,
    ) -> (crate::Rules, Vec<CustomizationError>) {
        let mut rules = crate::Rules::new();
        let mut errors = Vec::new();
        for (key, customization) in &self.by_key {
            if customization.health.is_empty() {
                continue;
            }
            match crate::lua::LuaRule::new(
                runtime,
                &customization.health,
                customization.use_open_libs,
            ) {
                Ok(rule) => rules.insert(key, rule),
                Err(error) => errors.push(CustomizationError {
                    name: self.name.clone(),
                    key: key.as_str().into(),
                    why: error.to_string(),
                }),
            }
        }
        (rules, errors)
    }

    /// Makes the actions of a kind; `None` where the ConfigMap has none for it.
    ///
    /// # Errors
    /// Where one of the scripts cannot be parsed.
    #[cfg(feature = "lua")]
    pub fn actions(
        &self,
        kind: &gitops_manifest::GroupKind,
        runtime: &std::sync::Arc<crate::lua::LuaRuntime>,
    ) -> Result<Option<crate::lua::LuaActions>, crate::lua::LuaError> {
        let Some((customization, actions)) = self
            .by_key
            .get(&kind.to_string())
            .and_then(|customization| Some((customization, customization.actions.as_ref()?)))
        else {
            return Ok(None);
        };
        crate::lua::LuaActions::new(
            runtime,
            Some(&actions.discovery),
            actions
                .definitions
                .iter()
                .map(|(name, script)| (name.as_str(), script.as_str())),
            customization.use_open_libs,
        )
        .map(Some)
    }
}

fn parse(text: &str) -> Result<Value, String> {
    yaml::parse_one(text, &yaml::ParseOptions::default()).map_err(|error| error.to_string())
}

fn text(map: &Value, field: &str) -> Result<Str, String> {
    match map.get(field) {
        None | Some(Value::Null) => Ok(Str::default()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(format!("{field} must be text, not {}", other.type_name())),
    }
}

fn customization(told: &Value) -> Result<Customization, String> {
    if !matches!(told, Value::Null | Value::Object(_)) {
        return Err(format!("it must be a map, not {}", told.type_name()));
    }
    let use_open_libs = match told.get("health.lua.useOpenLibs") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(value)) => *value,
        Some(other) => {
            return Err(format!(
                "health.lua.useOpenLibs must be a boolean, not {}",
                other.type_name()
            ));
        }
    };
    let actions_text = text(told, "actions")?;
    Ok(Customization {
        health: text(told, "health.lua")?,
        use_open_libs,
        actions: (!actions_text.is_empty())
            .then(|| actions(&actions_text))
            .transpose()?,
    })
}

fn actions(source: &str) -> Result<CustomActions, String> {
    let told = parse(source)?;
    if !matches!(told, Value::Null | Value::Object(_)) {
        return Err(format!(
            "the actions must be a map, not {}",
            told.type_name()
        ));
    }
    let definitions = view::list(told.get("definitions"))
        .iter()
        .map(|definition| Ok((text(definition, "name")?, text(definition, "action.lua")?)))
        .collect::<Result<_, String>>()?;
    Ok(CustomActions {
        discovery: text(&told, "discovery.lua")?,
        definitions,
        merge_builtin: told.get("mergeBuiltinActions") == Some(&Value::Bool(true)),
    })
}
