//! `gitops build` and `gitops edit` beside `kustomize`: functions, folders as output, the entries of `edit`.
#![cfg(unix)]
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn gitops(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let path = std::env::var("PATH").unwrap_or_default();
    // A `docker` of the folder goes before any other.
    let path = format!("{}:{path}", folder.join("bin").display());
    let output = Command::new(env!("CARGO_BIN_EXE_gitops"))
        .args(arguments)
        .current_dir(folder)
        .env("PATH", path)
        .output()
        .expect("the command runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, text).expect("written");
        if text.starts_with("#!") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        }
    }
}

/// A kustomization with one transformer, that is what `function` says.
fn with_function(function: &str) -> String {
    let function = function.replace('\n', "\n        ");
    format!(
        "namePrefix: p-\nresources: [pod.yaml]\ntransformers:\n- |-\n  apiVersion: example.com/v1\n  kind: Label\n  metadata:\n    name: label\n    annotations:\n      config.kubernetes.io/function: |\n        {function}\n  spec: {{a: b}}\n"
    )
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n";

/// Notes what it was told, and gives back what it gets with another kind of Pod in it.
const FUNCTION: &str = "#!/bin/sh\necho \"$@ A=$A B=$B\" >told\ntee input | sed 's/name: p-web/name: p-web\\n    labels: {seen: \"yes\"}/'\n";

#[test]
fn functions_in_programs_are_run_where_they_may() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let function = "exec:\n  path: ./bin/label\n  args: [one, two words]\n  envs: [A=1, B=1]";
    let kustomization = with_function(function);
    write(
        path,
        &[
            ("kustomization.yaml", &kustomization),
            ("pod.yaml", POD),
            ("bin/label", FUNCTION),
        ],
    );
    for (flags, hint) in [
        (&["build"][..], "--enable-alpha-plugins"),
        (&["build", "--enable-alpha-plugins"], "--enable-exec"),
    ] {
        let (code, _, err) = gitops(path, flags);
        assert_eq!(code, 2);
        assert!(err.contains(hint), "{err}");
        assert!(!path.join("told").exists());
    }
    let flags = [
        "build",
        "--enable-alpha-plugins",
        "--enable-exec",
        "-e",
        "B=2",
    ];
    let (code, out, err) = gitops(path, &flags);
    assert_eq!(code, 0, "{err}");
    assert_eq!(
        out,
        "apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    seen: \"yes\"\n  name: p-web\n"
    );
    let told = fs::read_to_string(path.join("told")).expect("it was run");
    assert_eq!(told, "one two words A=1 B=2\n");
    let input = fs::read_to_string(path.join("input")).expect("it was told");
    for part in [
        "kind: ResourceList\n",
        "functionConfig:\n",
        "      config.kubernetes.io/local-config: \"true\"\n",
        "      internal.config.kubernetes.io/index: \"0\"\n",
        "      config.k8s.io/id: \"1\"\n",
        "    name: p-web\n",
    ] {
        assert!(input.contains(part), "{part}{input}");
    }
}

#[test]
fn what_a_failing_function_says_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    write(
        path,
        &[
            (
                "kustomization.yaml",
                &with_function("exec: {path: ./check}"),
            ),
            ("pod.yaml", POD),
            (
                "check",
                "#!/bin/sh\ncat >/dev/null\necho 'kind: ResourceList'\necho 'results: [{severity: error, message: no team, field: {path: metadata.labels}}]'\nexit 1\n",
            ),
        ],
    );
    let (code, _, err) = gitops(path, &["build", "--enable-alpha-plugins", "--enable-exec"]);
    assert_eq!(code, 2);
    assert!(err.contains("error: no team at metadata.labels"), "{err}");
}

/// The arguments are those that kustomize 5.8 gives to docker.
#[test]
fn functions_in_containers_are_run_by_docker() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let function = "container:\n  image: label:1\n  envs: [Z=1, HOME]\n  mounts: [{type: bind, src: ./data, dst: /data}]";
    let docker = "#!/bin/sh\nprintf '%s\\n' \"$@\" >told\ncat\n";
    write(
        path,
        &[
            ("kustomization.yaml", &with_function(function)),
            ("pod.yaml", POD),
            ("bin/docker", docker),
        ],
    );
    let flags = [
        "build",
        "--enable-alpha-plugins",
        "-e",
        "Y=2",
        "--mount",
        "type=bind,src=/x,dst=/y,rw=true",
    ];
    let (code, out, err) = gitops(path, &flags);
    assert_eq!(code, 0, "{err}");
    assert!(out.ends_with("  name: p-web\n"), "{out}");
    let told = fs::read_to_string(path.join("told")).expect("it was run");
    let top = path.canonicalize().expect("the folder");
    let expected = format!(
        "run --rm -i -a STDIN -a STDOUT -a STDERR --network none --user nobody --security-opt=no-new-privileges --mount type=bind,source={}/data,target=/data,readonly --mount type=bind,source=/x,target=/y -e LOG_TO_STDERR=true -e STRUCTURED_RESULTS=true -e Y=2 -e Z=1 -e HOME label:1",
        top.display()
    );
    assert_eq!(
        told.replace("./data", "data").trim_end().replace('\n', " "),
        expected
    );

    let network = with_function("container: {image: 'label:1', network: true}");
    write(path, &[("kustomization.yaml", &network)]);
    let (code, _, err) = gitops(path, &["build", "--enable-alpha-plugins"]);
    assert_eq!(code, 2);
    assert!(err.contains("--network"), "{err}");
    let (code, _, err) = gitops(path, &["build", "--enable-alpha-plugins", "--network"]);
    assert_eq!(code, 0, "{err}");
    let outside =
        with_function("container: {image: 'label:1', mounts: [{type: bind, src: ../x, dst: /x}]}");
    write(path, &[("kustomization.yaml", &outside)]);
    let (code, _, err) = gitops(path, &["build", "--enable-alpha-plugins"]);
    assert_eq!(code, 2);
    assert!(err.contains("../x"), "{err}");
}

#[test]
fn a_folder_gets_a_file_a_resource() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    write(
        path,
        &[
            ("kustomization.yaml", "resources: [all.yaml]\n"),
            (
                "all.yaml",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: X}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n",
            ),
            ("out/.keep", ""),
        ],
    );
    let (code, _, err) = gitops(path, &["build", "-o", "out"]);
    assert_eq!(code, 0, "{err}");
    let mut names: Vec<String> = fs::read_dir(path.join("out"))
        .expect("the folder")
        .map(|entry| {
            entry
                .expect("a file")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    // These are the names that kustomize 5.8.2 gives them.
    assert_eq!(
        names,
        [
            ".keep",
            "default_apps_v1_deployment_b.yaml",
            "v1_namespace_n.yaml",
            "x_v1_pod_a.yaml"
        ]
    );
}

#[test]
fn entries_of_all_fields_are_edited() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    write(
        path,
        &[
            ("kustomization.yaml", "# the head\nkind: Kustomization\n"),
            ("a/x.yaml", POD),
            ("a/y.yaml", POD),
            ("t.yaml", POD),
            ("f.txt", "text\n"),
        ],
    );
    let edits: [&[&str]; 12] = [
        &["add", "resource", "a/*.yaml"],
        &["add", "resource", "later.yaml", "--no-verify"],
        &["remove", "resource", "a/y*"],
        &["add", "transformer", "t.yaml"],
        &["add", "generator", "t.yaml"],
        &["add", "configuration", "t.yaml"],
        &["set", "buildmetadata", "originAnnotations,managedByLabel"],
        &["remove", "buildmetadata", "managedByLabel"],
        &[
            "add",
            "configmap",
            "c",
            "--from-literal=a=1",
            "--from-file=k=f.txt",
        ],
        &[
            "set",
            "configmap",
            "c",
            "--from-literal=a=2",
            "--new-namespace=n",
        ],
        &[
            "add",
            "label",
            "a:b,c:d",
            "--without-selector",
            "--include-templates",
        ],
        &["set", "nameprefix", "--", "-p"],
    ];
    for edit in edits {
        let arguments = [&["edit"], edit].concat();
        let (code, _, err) = gitops(path, &arguments);
        assert_eq!(code, 0, "{edit:?}: {err}");
    }
    assert_eq!(
        fs::read_to_string(path.join("kustomization.yaml")).expect("the file"),
        "# the head\nkind: Kustomization\nresources:\n- a/x.yaml\n- later.yaml\ntransformers:\n- t.yaml\ngenerators:\n- t.yaml\nconfigurations:\n- t.yaml\nbuildMetadata:\n- originAnnotations\nconfigMapGenerator:\n- files:\n  - k=f.txt\n  literals:\n  - a=2\n  name: c\n  namespace: \"n\"\nlabels:\n- includeTemplates: true\n  pairs:\n    a: b\n    c: d\nnamePrefix: -p\n"
    );
    for (edit, hint) in [
        (&["add", "resource", "no.yaml"][..], "no.yaml"),
        (&["add", "configmap", "d"], "--from-literal"),
        (
            &["add", "configmap", "d", "--from-file=x=a/*.yaml"],
            "fits 2 files",
        ),
        (
            &["set", "secret", "s", "--from-literal=a=1"],
            "secretGenerator",
        ),
        (
            &[
                "add",
                "label",
                "a:c",
                "--without-selector",
                "--include-templates",
            ],
            "already",
        ),
    ] {
        let arguments = [&["edit"], edit].concat();
        let (code, _, err) = gitops(path, &arguments);
        assert_eq!(code, 2, "{edit:?}");
        assert!(err.contains(hint), "{edit:?}: {err}");
    }
}

#[test]
fn variables_are_turned_into_replacements_in_all_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    write(
        path,
        &[
            (
                "kustomization.yaml",
                "resources: [pod.yaml]\nnamePrefix: p-\nvars:\n- name: NAME\n  objref: {kind: Pod, name: web, apiVersion: v1}\n",
            ),
            (
                "pod.yaml",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: c\n    args: [$(NAME)]\n",
            ),
        ],
    );
    let (_, before, _) = gitops(path, &["build"]);
    let (code, _, err) = gitops(path, &["edit", "fix", "--vars"]);
    assert_eq!(code, 0, "{err}");
    let pod = fs::read_to_string(path.join("pod.yaml")).expect("the file");
    assert!(pod.contains("args: [NAME_PLACEHOLDER]"), "{pod}");
    let (_, after, err) = gitops(path, &["build"]);
    assert_eq!(before, after, "{err}");
}

/// Whoever runs the command can go to where it points.
#[test]
fn mistakes_are_told_with_paths_from_here() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    write(
        path,
        &[
            ("top/kustomization.yaml", "resources: [../base]\n"),
            ("base/kustomization.yaml", "resources: [deploymnt.yaml]\n"),
            ("base/deployment.yaml", ""),
        ],
    );
    let (code, _, err) = gitops(path, &["build", "top"]);
    assert_eq!(code, 2);
    assert_eq!(
        err.trim_end(),
        "error: base/kustomization.yaml:1:13: resources[0]: there is no file `deploymnt.yaml`; did you mean \
         `deployment.yaml`? (built from top > base)"
    );
    let (_, _, err) = gitops(&path.join("top"), &["build"]);
    let base = fs::canonicalize(path.join("base")).expect("it is there");
    let place = format!("error: {}/kustomization.yaml:1:13: ", base.display());
    assert!(err.starts_with(&place), "{err}");
    assert!(err.contains("(built from . > "), "{err}");
}

/// The expected files hold what `kustomize edit` 5.8 puts into them.
#[test]
fn patches_labels_and_patterns_are_edited() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let before = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
    write(path, &[("a.yaml", POD), ("p.yaml", POD)]);
    for (arguments, after) in [
        (
            "add patch --path p.yaml --kind Pod --version v1 --name web",
            "patches:\n- path: p.yaml\n  target:\n    kind: Pod\n    name: web\n    version: v1\n",
        ),
        ("add resource *.yaml", "resources:\n- a.yaml\n- p.yaml\n"),
        (
            "set annotation note:a,b,c=d",
            "commonAnnotations:\n  note: a,b,c=d\n",
        ),
        ("add label x", "commonLabels:\n  x: \"\"\n"),
    ] {
        write(path, &[("kustomization.yaml", before)]);
        let mut all = vec!["edit"];
        all.extend(arguments.split(' '));
        let (code, _, err) = gitops(path, &all);
        assert_eq!(code, 0, "{arguments}: {err}");
        let text = fs::read_to_string(path.join("kustomization.yaml")).expect("it is there");
        assert_eq!(text, format!("{before}{after}"), "{arguments}");
    }
    let patch = ["edit", "add", "patch", "--path", "p.yaml"];
    assert_eq!(gitops(path, &patch).0, 0);
    let remove = ["edit", "remove", "patch", "--path", "p.yaml"];
    assert_eq!(gitops(path, &remove).0, 0);
    let text = fs::read_to_string(path.join("kustomization.yaml")).expect("it is there");
    assert_eq!(text, format!("{before}commonLabels:\n  x: \"\"\n"));
}

/// Serves one file for a number of requests, and 404 for all else; returns the address.
fn serve(requests: usize) -> (String, std::thread::JoinHandle<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let thread = std::thread::spawn(move || {
        for _ in 0..requests {
            let (mut stream, _) = listener.accept().expect("a request");
            let mut text = Vec::new();
            while !text.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).expect("a request") == 0 {
                    break;
                }
                text.push(byte[0]);
            }
            let (status, body) = if text.starts_with(b"GET /shop/pod.yaml ") {
                ("200 OK", POD)
            } else {
                ("404 Not Found", "")
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).expect("an answer");
        }
    });
    (address, thread)
}

#[test]
fn single_files_are_fetched_from_the_web() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let (address, server) = serve(2);
    let kustomization = |file: &str| format!("namePrefix: p-\nresources: [\"{address}/{file}\"]\n");
    write(
        path,
        &[("kustomization.yaml", &kustomization("shop/pod.yaml"))],
    );
    let (code, out, err) = gitops(path, &["build"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(out, "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p-web\n");
    write(
        path,
        &[("kustomization.yaml", &kustomization("shop/none.yaml"))],
    );
    let (code, _, err) = gitops(path, &["build"]);
    assert_eq!(code, 2);
    assert!(
        err.starts_with("error: kustomization.yaml:2:13: resources[0]: fetching ")
            && err.contains("404"),
        "{err}"
    );
    server.join().expect("it was asked twice");
}
