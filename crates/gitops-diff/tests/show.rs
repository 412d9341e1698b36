use gitops_diff::compare::{CompareOptions, Comparison, compare, compare_all};
use gitops_diff::show::{self, ShowOptions};
use gitops_manifest::Object;
use serde_json::json;

fn made(value: &serde_json::Value) -> Object {
    Object::try_from(value.clone()).expect("the object is well formed")
}

fn deployment(replicas: i32, image: &str) -> Object {
    made(
        &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": {
        "replicas": replicas, "template": {"spec": {"containers": [{"name": "web", "image": image}]}}}}),
    )
}

fn comparison() -> Comparison {
    compare(
        Some(&deployment(2, "web:2")),
        Some(&deployment(2, "web:1")),
        &CompareOptions::default(),
    )
    .unwrap()
}

#[test]
fn unified_text_is_headed_by_object_and_field() {
    assert_eq!(
        show::unified(&comparison(), &ShowOptions::default()),
        "~ apps/Deployment/shop/web\n\
         @@ spec.template.spec.containers[name=web].image: changed in desired @@\n\
         -web:1\n\
         +web:2\n"
    );
    let coloured = show::unified(&comparison(), &ShowOptions::default().colour(true));
    assert!(coloured.contains("\u{1b}[31m-web:1\u{1b}[0m"), "{coloured}");
}

#[test]
fn side_by_side_has_live_on_the_left() {
    let shown = show::side_by_side(&comparison(), &ShowOptions::default().width(43));
    assert_eq!(shown.lines().nth(2), Some("web:1                | web:2"));
}

#[test]
fn json_is_for_programs() {
    let value = show::json(&comparison());
    assert_eq!(value["status"].as_str(), Some("modified"));
    assert_eq!(
        value
            .pointer("/differences/0/path")
            .and_then(|path| path.as_str()),
        Some("spec.template.spec.containers[name=web].image")
    );
    assert_eq!(
        value
            .pointer("/differences/0/why/kind")
            .and_then(|kind| kind.as_str()),
        Some("changedInDesired")
    );
}

#[test]
fn equal_lines_far_from_a_change_are_left_out() {
    let map = |middle: &str| {
        let text = format!("{}{middle}\n{}", "a\n".repeat(50), "b\n".repeat(50));
        made(
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"f": text}}),
        )
    };
    let comparison = compare(Some(&map("x")), Some(&map("y")), &CompareOptions::default()).unwrap();
    let shown = show::unified(&comparison, &ShowOptions::default().context(1));
    assert_eq!(
        shown,
        "~ ConfigMap/m\n@@ data.f: changed in desired @@\n…\n a\n-y\n+x\n b\n…\n"
    );
}

#[test]
fn a_secret_that_is_missing_is_shown_masked() {
    let secret = made(
        &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "hunter2"}}),
    );
    let options = CompareOptions::default();
    for comparison in [
        compare(Some(&secret), None, &options).unwrap(),
        compare(None, Some(&secret), &options).unwrap(),
    ] {
        let shown = show::unified(&comparison, &ShowOptions::default());
        assert!(
            shown.contains("++++++++")
                && !shown.contains("hunter2")
                && !shown.contains("aHVudGVyMg"),
            "{shown}"
        );
    }
}

#[test]
fn values_cannot_write_to_the_terminal() {
    let comparison = compare(
        Some(&deployment(2, "\u{1b}[2J")),
        Some(&deployment(2, "web:1")),
        &CompareOptions::default(),
    )
    .unwrap();
    assert!(!show::unified(&comparison, &ShowOptions::default()).contains('\u{1b}'));
}

#[test]
fn many_objects_are_told_in_order_and_in_total() {
    let (a, b) = (deployment(1, "x"), deployment(2, "x"));
    let pairs = [(Some(&a), Some(&b)), (Some(&a), Some(&a)), (Some(&a), None)];
    let comparisons: Vec<_> = compare_all(&pairs, &CompareOptions::default())
        .into_iter()
        .map(|comparison| comparison.unwrap())
        .collect();
    assert_eq!(
        show::totals(&comparisons),
        "1 to create, 1 to change, 1 in sync"
    );
    assert_eq!(
        comparisons[0].summary(),
        "~ apps/Deployment/shop/web: 1 difference"
    );
}
