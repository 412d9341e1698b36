//! Objects out of texts.

use gitops_manifest::yaml::ParseOptions;
use gitops_manifest::{Diagnostic, Object, Severity, objects};

fn read(text: &str) -> (Vec<String>, Vec<(usize, usize, String)>) {
    let (objects, diagnostics) = objects("x.yaml", text, &ParseOptions::default());
    let keys = objects
        .iter()
        .map(|object| object.key().to_string())
        .collect();
    let places = diagnostics
        .into_iter()
        .map(|diagnostic| {
            let position = diagnostic.position.expect("every mistake has a place");
            (position.line, position.column, diagnostic.message)
        })
        .collect();
    (keys, places)
}

#[test]
fn what_is_wrong_is_told_where_it_is() {
    let text = "\
  # an indented document
  apiVersion: v1
  kind: List
  items:
  - apiVersion: v1
    kind: Service
    metadata: {name: a}
  - nothing
  - apiVersion: v1
    kind: Pod
    metadata:
      name: 1
---
- no object
---
a: [
--- # nothing
---
apiVersion: v1
kind: Pod
metadata: {name: last}
";
    let (keys, places) = read(text);
    assert_eq!(keys, ["Service/a", "Pod/last"]);
    let told: Vec<_> = places
        .iter()
        .map(|(line, column, message)| (*line, *column, message.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (8, 5, "items[1]: an object is a map, this is string"),
            (9, 5, "items[2]: metadata.name must be a string, not number"),
            (14, 1, "an object is a map, this is array"),
            (17, 1, "did not find expected node content"),
        ]
    );
}

#[test]
fn lists_are_expanded_in_order() {
    let text = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ConfigMapList", "items": [
            {"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}
        ]},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c"}},
        {"apiVersion": "x/v1", "kind": "AccessList", "metadata": {"name": "d"}, "spec": {"items": []}}
    ]}"#;
    let (keys, places) = read(text);
    assert_eq!(
        keys,
        ["ConfigMap/a", "ConfigMap/b", "Secret/c", "x/AccessList/d"]
    );
    assert_eq!(places, []);
}

#[test]
fn a_list_with_a_mistake_is_an_error_on_its_own() {
    let list = Object::try_from(serde_json::json!({
        "apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "List", "items": [1]}],
    }))
    .expect("it is an object");
    let error = list.expand_list().unwrap_err();
    assert_eq!(
        error.to_string(),
        "items[0].items[0]: an object is a map, this is number"
    );
    assert_eq!(error.pointer(), "/items/0/items/0");
}

#[test]
fn many_mistakes_are_told_in_time() {
    let items = "- 1\n".repeat(2_000);
    let text = format!("apiVersion: v1\nkind: List\nitems:\n{items}");
    let (keys, places) = read(&text);
    assert_eq!((keys.len(), places.len()), (0, 2_000));
    assert_eq!((places[10].0, places[1_999].0), (14, 1));
    let text = "a: [\n---\n".repeat(20_000);
    assert_eq!(read(&text).1.len(), 20_000);
}

#[test]
fn diagnostics_are_shown_as_compilers_do() {
    let text = "a: 1\n\tb: 2\n";
    let position = gitops_manifest::yaml::Position { line: 2, column: 2 };
    let diagnostic = Diagnostic::warning("x.yaml", "odd")
        .at(text, position)
        .with_hint("mend it");
    assert_eq!(
        diagnostic.to_string(),
        "warning: odd\n --> x.yaml:2:2\n  |\n2 | \tb: 2\n  | \t^\n  = help: mend it"
    );
    assert_eq!(Diagnostic::error("", "bad").to_string(), "error: bad");
    assert!(Severity::Error > Severity::Warning);
    let json = serde_json::to_value(&diagnostic).expect("it can be written");
    assert_eq!(
        serde_json::from_value::<Diagnostic>(json).expect("it can be read"),
        diagnostic
    );
}
