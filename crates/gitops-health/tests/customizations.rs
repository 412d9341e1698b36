//! What an `argocd-cm` says of health and actions.

use gitops_health::Customizations;
use proptest::prelude::*;
use serde_json::json;

use crate::support;

fn read(data: &serde_json::Value) -> (Customizations, Vec<String>) {
    let config = support::json(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}, "data": data,
    }));
    let (read, errors) = Customizations::read(&config);
    (read, errors.iter().map(ToString::to_string).collect())
}

#[test]
fn keys_of_their_own_come_after_the_map_of_all() {
    let (read, errors) = read(&json!({
        "resource.customizations": "apps/Deployment:\n  health.lua: old\n  actions: |\n    mergeBuiltinActions: true\n    discovery.lua: disc\n    definitions:\n    - name: go\n      action.lua: return obj\n",
        "resource.customizations.health.apps_Deployment": "new",
        "resource.customizations.useOpenLibs.apps_Deployment": "true",
        "resource.customizations.health.Pod": "pod",
        "resource.customizations.health.cert-manager.io_Certificate": "cert",
        "resource.customizations.ignoreDifferences.all": "jsonPointers: [/spec]",
        "resource.compareoptions": "ignoreAggregatedRoles: true",
        "url": "https://example.org",
    }));
    assert_eq!(errors, Vec::<String>::new());
    let all: Vec<_> = read.iter().collect();
    assert_eq!(
        all.iter()
            .map(|(key, told)| (*key, told.health.as_str()))
            .collect::<Vec<_>>(),
        [
            ("Pod", "pod"),
            ("apps/Deployment", "new"),
            ("cert-manager.io/Certificate", "cert")
        ]
    );
    let deployment = all[1].1;
    assert!(deployment.use_open_libs);
    let actions = deployment.actions.as_ref().expect("it has actions");
    assert!(actions.merge_builtin);
    assert_eq!(
        (
            actions.discovery.as_str(),
            actions.definitions["go"].as_str()
        ),
        ("disc", "return obj")
    );
}

#[test]
fn one_mistake_does_not_hide_the_rest() {
    let (read, errors) = read(&json!({
        "resource.customizations": "a/B:\n  health.lua: [1]\nc/D:\n  health.lua: good\n",
        "resource.customizations.health.a_b_c": "x",
        "resource.customizations.useOpenLibs.Pod": "maybe",
        "resource.customizations.wealth.Pod": "x",
        "resource.customizations.actions.Pod": "[",
    }));
    assert_eq!(read.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["c/D"]);
    let expected = [
        "cannot use resource.customizations of ConfigMap argocd-cm: a/B: health.lua must be text, not array",
        "cannot use resource.customizations.actions.Pod of ConfigMap argocd-cm: ",
        "cannot use resource.customizations.health.a_b_c of ConfigMap argocd-cm: the key must end in <group>_<kind> or <kind>, not \"a_b_c\"",
        "cannot use resource.customizations.useOpenLibs.Pod of ConfigMap argocd-cm: \"maybe\" is no boolean",
        "cannot use resource.customizations.wealth.Pod of ConfigMap argocd-cm: resource customization type wealth not supported",
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.starts_with(expected), "{error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}", what in "[a-zA-Z]{1,12}", kind in "[a-z._]{0,12}") {
        let mut data = serde_json::Map::new();
        data.insert("resource.customizations".to_owned(), json!(text));
        data.insert(format!("resource.customizations.{what}.{kind}"), json!(text));
        data.insert("resource.customizations.actions.Pod".to_owned(), json!(text));
        // That it returns is the law.
        let _ = read(&json!(data));
    }
}

#[cfg(feature = "lua")]
#[test]
fn scripts_become_rules_and_actions() {
    use std::sync::Arc;

    use gitops_health::lua::{LuaOptions, LuaRuntime};
    use gitops_health::{Context, HealthStatus, assess};
    use gitops_manifest::GroupKind;

    let (read, _) = read(&json!({
        "resource.customizations": "'*.example.org/*':\n  health.lua: return {status = 'Suspended'}\n",
        "resource.customizations.health.a.example.org_Exact": "return {status = 'Degraded', message = 'exact'}",
        "resource.customizations.health.Broken": "return {",
        "resource.customizations.actions.Pod": "discovery.lua: 'return {go = {}}'\n",
    }));
    let runtime = Arc::new(LuaRuntime::new(LuaOptions::default()));
    let (rules, errors) = read.rules(&runtime);
    assert_eq!(rules.len(), 2);
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].key, "Broken");
    let context = Context::new().with_rules(&rules);
    let judge = |kind: &str| {
        let object = support::json(json!({"apiVersion": "a.example.org/v1", "kind": kind}));
        assess(&object, &context).map(|health| health.status)
    };
    assert_eq!(judge("Exact"), Some(HealthStatus::Degraded));
    assert_eq!(judge("Other"), Some(HealthStatus::Suspended));
    let pod_kind = GroupKind::new("", "Pod");
    let actions = read
        .actions(&pod_kind, &runtime)
        .expect("it parses")
        .expect("there are some");
    let pod = support::json(json!({"apiVersion": "v1", "kind": "Pod"}));
    assert_eq!(actions.discover(&pod, None).expect("it runs")[0].name, "go");
    assert!(
        read.actions(&GroupKind::new("", "Node"), &runtime)
            .expect("none")
            .is_none()
    );
}
