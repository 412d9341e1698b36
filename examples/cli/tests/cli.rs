//! The `gitops` command as a person uses it.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::path::Path;
use std::process::Command;

fn gitops(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_gitops"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the command runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn shop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let web = folder.path().join("web");
    fs::create_dir(&web).expect("a folder");
    fs::write(
        web.join("kustomization.yaml"),
        "resources: [web.yaml] # all\nnamespace: shop\n",
    )
    .expect("written");
    fs::write(web.join("web.yaml"), manifest("one")).expect("written");
    folder
}

fn manifest(value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: web}}\ndata: {{key: {value}}}\n")
}

#[test]
fn from_a_folder_to_a_cluster_and_back() {
    let folder = shop();
    let path = folder.path();
    let (code, out, _) = gitops(path, &["build", "web"]);
    assert_eq!(code, 0);
    assert!(out.contains("namespace: shop"), "{out}");

    let (code, out, err) = gitops(path, &["diff", "--path", "web", "--summary"]);
    assert_eq!((code, out.as_str()), (1, "+ ConfigMap/shop/web\n"), "{err}");
    let (code, out, _) = gitops(path, &["plan", "--path", "web", "-o", "plan.json"]);
    assert_eq!(code, 1);
    assert!(out.contains("create  ConfigMap/shop/web"), "{out}");
    let (code, _, err) = gitops(path, &["apply", "plan.json"]);
    assert_eq!(code, 0, "{err}");
    let (code, out, _) = gitops(path, &["diff", "--path", "web"]);
    assert_eq!((code, out.as_str()), (0, ""));

    fs::write(path.join("web/web.yaml"), manifest("two")).expect("written");
    let (code, out, _) = gitops(path, &["diff", "--path", "web"]);
    assert_eq!(code, 1);
    assert_eq!(
        out,
        "~ ConfigMap/shop/web\n@@ data.key: changed in desired @@\n-one\n+two\n"
    );
    let (_, out, _) = gitops(
        path,
        &["diff", "--path", "web", "--side-by-side", "--width", "23"],
    );
    assert_eq!(
        out,
        "~ ConfigMap/shop/web\ndata.key: changed in desired\none        | two\n"
    );
    let (_, out, _) = gitops(path, &["diff", "--path", "web", "--explain"]);
    assert!(
        out.contains(
            "data.key was changed in the desired object: live has \"one\", desired is \"two\""
        ) && out.contains(r#""jsonPointers":["/data/key"]"#),
        "{out}"
    );
    let (code, _, err) = gitops(path, &["sync", "--path", "web"]);
    assert_eq!(code, 0, "{err}");
    let (code, out, _) = gitops(path, &["health", "--path", "web", "-o", "json"]);
    assert_eq!(code, 0);
    assert!(out.contains("\"status\": \"Healthy\""), "{out}");
    let (code, out, _) = gitops(path, &["history", "--name", "web"]);
    assert_eq!(code, 0);
    assert_eq!(out.lines().count(), 3, "{out}");

    let (code, out, err) = gitops(path, &["rollback", "--name", "web", "0"]);
    assert_eq!(code, 0, "{out}{err}");
    let cluster = fs::read_to_string(path.join(".gitops/cluster.json")).expect("the cluster");
    assert!(cluster.contains(r#""data":{"key":"one"}"#));

    // What was planned on another state is refused, with the difference.
    let (code, _, err) = gitops(path, &["apply", "plan.json"]);
    assert_eq!(code, 2);
    assert!(
        err.contains("ConfigMap/shop/web was made by somebody else"),
        "{err}"
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let folder = shop();
    let path = folder.path();
    fs::write(path.join("web/web.yaml"), "a: [\n").expect("written");
    for arguments in [["sync", "--path", "web"], ["diff", "--path", "web"]] {
        let (code, _, err) = gitops(path, &arguments);
        assert_eq!(code, 2, "{err}");
        assert!(err.contains("web/web.yaml:"), "{err}");
    }
    let (code, _, err) = gitops(path, &["sync", "--path", "wbe"]);
    assert_eq!(code, 2);
    assert!(
        err.contains("\"wbe\" is not in the revision; the nearest are \"web\""),
        "{err}"
    );
    let (code, _, err) = gitops(path, &["sync", "--repo", "/nowhere", "--path", "web"]);
    assert_eq!(code, 2);
    assert!(err.contains("/nowhere"), "{err}");
}

#[test]
fn a_kustomization_is_edited_in_place() {
    let folder = shop();
    let web = folder.path().join("web");
    let edits: [&[&str]; 4] = [
        &["edit", "set", "image", "web=registry.example.com/web:2.1.0"],
        &["edit", "set", "replicas", "web=3"],
        &["edit", "add", "label", "team:shop", "--without-selector"],
        &["edit", "set", "namespace", "store"],
    ];
    for arguments in edits {
        let (code, _, err) = gitops(&web, arguments);
        assert_eq!(code, 0, "{err}");
    }
    let text = fs::read_to_string(web.join("kustomization.yaml")).expect("the file");
    assert!(
        text.starts_with("resources: [web.yaml] # all\nnamespace: store\n"),
        "{text}"
    );
    assert!(text.contains("newName: registry.example.com/web"), "{text}");
    assert!(text.contains("count: 3"), "{text}");
}

#[test]
fn a_chart_at_the_top_of_a_folder_is_synced_without_the_state_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    fs::create_dir(path.join("templates")).expect("a folder");
    let files = [
        ("Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n"),
        (
            "templates/a.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\ndata: {state: '{{ len (.Files.Glob \".gitops/*\") }}', random: {{ randAlphaNum 20 | quote }}}\n",
        ),
    ];
    for (file, text) in files {
        fs::write(path.join(file), text).expect("written");
    }
    let (code, _, err) = gitops(path, &["sync", "--name", "web"]);
    assert_eq!(code, 0, "{err}");
    // What is random stays as it was made.
    let (code, out, err) = gitops(path, &["diff", "--name", "web"]);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    let cluster = fs::read_to_string(path.join(".gitops/cluster.json")).expect("the cluster");
    assert!(cluster.contains(r#""state":"0""#), "{cluster}");
}
