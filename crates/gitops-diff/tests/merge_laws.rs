//! Laws that hold for all objects.

use gitops_diff::compare::{CompareOptions, Strategy as CompareStrategy, compare, three_way};
use gitops_diff::ignore::IgnoreRules;
use gitops_diff::mask::MaskOptions;
use gitops_diff::normalize::{self, NormalizeOptions};
use gitops_diff::schema::Schemas;
use gitops_diff::show::{self, ShowOptions};
use gitops_diff::strategic::{self, ThreeWayOptions};
use gitops_manifest::{Map, Object, Value};
use proptest::prelude::*;
use proptest::sample::subsequence;

fn optional<T: Into<Value> + Clone + std::fmt::Debug + 'static>(
    values: Vec<T>,
) -> impl Strategy<Value = Option<Value>> {
    proptest::option::of(proptest::sample::select(values).prop_map(Into::into))
}

fn map(entries: Vec<(&'static str, Option<Value>)>) -> Value {
    Value::Object(
        entries
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect::<Map>(),
    )
}

fn named(
    names: &'static [&'static str],
    value: fn() -> BoxedStrategy<Value>,
) -> impl Strategy<Value = Option<Value>> {
    proptest::option::of(
        subsequence(names.to_vec(), 0..=names.len())
            .prop_shuffle()
            .prop_flat_map(move |names| {
                names
                    .into_iter()
                    .map(|name| {
                        value().prop_map(move |value| {
                            let mut map = value.as_object().cloned().unwrap_or_default();
                            map.insert("name", name);
                            Value::Object(map)
                        })
                    })
                    .collect::<Vec<_>>()
            })
            .prop_map(Value::from),
    )
}

fn variable() -> BoxedStrategy<Value> {
    optional(vec!["1", "2"])
        .prop_map(|value| map(vec![("value", value)]))
        .boxed()
}

fn container() -> BoxedStrategy<Value> {
    (
        optional(vec!["a:1", "a:2"]),
        named(&["A", "B", "C"], variable),
        optional(vec!["100m", "0.1", "1"]),
    )
        .prop_map(|(image, env, cpu)| {
            let resources =
                cpu.map(|cpu| map(vec![("limits", Some(map(vec![("cpu", Some(cpu))])))]));
            map(vec![
                ("image", image),
                ("env", env),
                ("resources", resources),
            ])
        })
        .boxed()
}

/// A pod with lists that merge by key, in any order.
fn pod() -> impl Strategy<Value = Object> {
    (
        named(&["web", "proxy", "init"], container),
        optional(vec!["Always", "Never"]),
        proptest::option::of(subsequence(vec!["x/a", "x/b", "x/c"], 0..=3).prop_shuffle()),
        optional(vec!["1", "2"]),
    )
        .prop_map(|(containers, restart, finalizers, label)| {
            let finalizers = finalizers
                .map(|list| Value::from(list.into_iter().map(Value::from).collect::<Vec<_>>()));
            let labels = label.map(|label| map(vec![("l", Some(label))]));
            let metadata = map(vec![
                ("name", Some("p".into())),
                ("finalizers", finalizers),
                ("labels", labels),
            ]);
            let spec = map(vec![("containers", containers), ("restartPolicy", restart)]);
            Object::try_from(map(vec![
                ("apiVersion", Some("v1".into())),
                ("kind", Some("Pod".into())),
                ("metadata", Some(metadata)),
                ("spec", Some(spec)),
            ]))
            .expect("it is an object")
        })
}

fn options() -> CompareOptions {
    CompareOptions::default().ignore(IgnoreRules::none())
}

/// Anything, under names that mean something.
fn anything() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        proptest::bool::ANY.prop_map(Value::from),
        (-2_i64..3).prop_map(Value::from),
        proptest::sample::select(vec![
            "",
            "web",
            "delete",
            "replace",
            "merge",
            "1Gi",
            "1e99",
            "2026-01-01T00:00:00Z",
            "$patch"
        ])
        .prop_map(Value::from),
    ];
    let key = || {
        proptest::sample::select(vec![
            "spec",
            "metadata",
            "containers",
            "env",
            "ports",
            "name",
            "value",
            "containerPort",
            "protocol",
            "resources",
            "limits",
            "cpu",
            "finalizers",
            "labels",
            "annotations",
            "managedFields",
            "$patch",
            "$retainKeys",
            "$setElementOrder/env",
            "$setElementOrder/containers",
            "$deleteFromPrimitiveList/finalizers",
            "volumes",
            "data",
            "stringData",
            "subsets",
            "rules",
        ])
    };
    scalar.prop_recursive(6, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map>())),
        ]
    })
}

/// An object of some kind with anything in it.
fn any_object() -> impl Strategy<Value = Option<Object>> {
    let kinds = vec![
        ("v1", "Pod"),
        ("v1", "Secret"),
        ("v1", "Endpoints"),
        ("apps/v1", "StatefulSet"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("example.com/v1", "Thing"),
    ];
    (proptest::sample::select(kinds), anything()).prop_map(|((api_version, kind), value)| {
        let mut map = value.as_object().cloned().unwrap_or_default();
        map.insert("apiVersion", api_version);
        map.insert("kind", kind);
        Object::new(map).ok()
    })
}

proptest! {
    #[test]
    fn no_patch_panics(a in anything(), b in anything(), c in anything()) {
        let ty = Schemas::builtin().lookup("", "v1", "Pod").unwrap();
        let _ = strategic::apply(&a, &b, ty);
        let _ = strategic::create(&a, &b, ty);
        let _ = strategic::sort_merge_lists(&a, ty);
        let _ = gitops_diff::merge_patch::three_way(&a, &b, &c);
        for overwrite in [false, true] {
            let _ = strategic::create_three_way(&a, &b, &c, ty, &ThreeWayOptions::default().overwrite(overwrite));
        }
    }

    #[test]
    fn no_comparison_panics(desired in any_object(), live in any_object(), last in anything()) {
        let mut live = live;
        if let Some(live) = &mut live
            && live.meta("annotations").is_none_or(|annotations| annotations.as_object().is_some())
        {
            live.set_annotation(gitops_diff::compare::LAST_APPLIED, last.to_json());
        }
        for strategy in [CompareStrategy::ClientSide, CompareStrategy::Structured] {
            for compat in [false, true] {
                let options = CompareOptions::default().strategy(strategy.clone()).compat(compat);
                if let Ok(comparison) = compare(desired.as_ref(), live.as_ref(), &options) {
                    let shown = show::unified(&comparison, &ShowOptions::default());
                    prop_assert_eq!(shown.is_empty(), !comparison.is_out_of_sync());
                    let _ = (show::side_by_side(&comparison, &ShowOptions::default()), show::json(&comparison), comparison.remarks());
                    for difference in &comparison.differences {
                        let _ = (difference.explain(), difference.path.to_jq());
                    }
                }
            }
        }
        let _ = gitops_diff::mask::secrets(desired.as_ref(), live.as_ref(), &MaskOptions::default());
    }

    #[test]
    fn a_strategic_patch_leads_where_it_should(a in pod(), b in pod()) {
        let ty = Schemas::builtin().lookup("", "v1", "Pod").unwrap();
        let (a, b) = (Value::from(a), Value::from(b));
        let patch = strategic::create(&a, &b, ty).unwrap();
        let result = strategic::apply(&a, &patch, ty).unwrap();
        prop_assert_eq!(&result, &b);
        prop_assert_eq!(strategic::apply(&result, &patch, ty).unwrap(), b);
    }

    /// One walk gives what making the patch and applying it gives. Where an element was applied, is gone from live and comes back, the
    /// patch leaves nulls and directives in it; the walk does not.
    #[test]
    fn the_walk_agrees_with_the_patch(last in pod(), desired in pod(), live in pod()) {
        let ty = Schemas::builtin().lookup("", "v1", "Pod").unwrap();
        let merged = three_way(Some(&last), &desired, &live, &options());
        let overwrite = ThreeWayOptions::default().overwrite(true);
        let patch = strategic::create_three_way(&last.into(), &desired.into(), &live.to_value(), ty, &overwrite).unwrap();
        let patched = strategic::apply(&live.into(), &patch, ty).unwrap();
        let text = patched.to_json();
        prop_assume!(!text.contains("\"$") && !text.contains("null"));
        prop_assert_eq!(Value::from(merged), patched);
    }

    #[test]
    fn the_verdict_is_that_of_the_peer(last in pod(), desired in pod(), live in pod()) {
        let mut live = live;
        live.set_annotation(gitops_diff::compare::LAST_APPLIED, last.to_value().to_json());
        let own = compare(Some(&desired), Some(&live), &options()).unwrap();
        let peer = compare(Some(&desired), Some(&live), &options().compat(true)).unwrap();
        prop_assert_eq!(own.is_modified(), peer.is_modified());
        prop_assert_eq!(own.is_modified(), !own.differences.is_empty());
    }

    #[test]
    fn what_was_merged_is_in_sync(last in pod(), desired in pod(), live in pod()) {
        let merged = three_way(Some(&last), &desired, &live, &options());
        prop_assert_eq!(&three_way(Some(&desired), &desired, &merged, &options()), &merged);
        prop_assert!(!compare(Some(&merged), Some(&merged), &options()).unwrap().is_modified());
    }

    #[test]
    fn the_normal_form_is_a_fixed_point(object in pod()) {
        let ty = Schemas::builtin().lookup("", "v1", "Pod").unwrap();
        let options = NormalizeOptions::default();
        let once = normalize::canonical(&object, ty, &options);
        prop_assert_eq!(normalize::canonical(&once, ty, &options), once);
        let defaulted = normalize::defaulted(&object, ty).unwrap();
        prop_assert_eq!(normalize::defaulted(&defaulted, ty).unwrap(), defaulted);
    }
}
