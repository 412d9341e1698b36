//! What a host supplies: remote bases, charts, functions, an environment.

use std::sync::Arc;

use gitops_kustomize::{
    BuildOptions, FunctionCall, FunctionRunner, HelmRenderer, HelmRequest, RemoteError,
    RemoteLoader, RepositorySpec, build, read_resource_list,
};
use gitops_manifest::{FileTree, MemoryTree, Object};

struct Host;

impl RemoteLoader for Host {
    fn repository(&self, spec: &RepositorySpec) -> Result<Arc<dyn FileTree>, RemoteError> {
        if spec.url == "https://example.com/page/repo" {
            return Ok(Arc::new(MemoryTree::from_iter([
                ("kustomization.yaml", "resources: [pod.yaml]\n"),
                (
                    "pod.yaml",
                    "apiVersion: v1\nkind: Pod\nmetadata: {name: page}\n",
                ),
            ])));
        }
        if spec.url != "https://example.com/org/repo" {
            return Err(RemoteError::new(&spec.url, "no such host").transient());
        }
        assert_eq!(spec.reference, "v1");
        Ok(Arc::new(MemoryTree::from_iter([
            (
                "x/kustomization.yaml",
                "resources: [../pod.yaml, pod.yaml]\n",
            ),
            (
                "x/pod.yaml",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: inside}\n",
            ),
            ("y/kustomization.yaml", "resources: [pod.yaml]\n"),
            (
                "y/pod.yaml",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: remote}\n",
            ),
        ])))
    }

    fn file(&self, url: &str) -> Result<Arc<[u8]>, RemoteError> {
        assert!(!url.contains("ref="), "{url} is of a repository");
        if url.ends_with("/missing.yaml") {
            return Err(RemoteError::new(url, "404"));
        }
        if url.contains("/page/") {
            return Ok(Arc::from(&b"<!DOCTYPE html>\n<html>: [\n"[..]));
        }
        if url.ends_with(".yaml") {
            let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: file}\n";
            return Ok(Arc::from(text.as_bytes()));
        }
        Err(RemoteError::new(url, "it is a repository"))
    }
}

impl HelmRenderer for Host {
    fn render(&self, _: &dyn FileTree, request: &HelmRequest) -> Result<String, String> {
        Ok(format!(
            "---\n# Source: chart\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n  namespace: {}\ndata: {}\n",
            request.release_name,
            request.namespace,
            request.values.to_json()
        ))
    }
}

impl FunctionRunner for Host {
    fn run(&self, call: &FunctionCall<'_>) -> Result<Vec<Object>, String> {
        if call.config.name() == "fails" {
            return Err("it fails".to_owned());
        }
        let mut objects = read_resource_list(&call.resource_list())?;
        for object in &mut objects {
            object.set_label("seen", "yes");
        }
        Ok(objects)
    }
}

fn run(files: &[(&str, &str)]) -> Result<String, String> {
    let tree = MemoryTree::from_iter(files.iter().copied());
    let environment = |name: &str| (name == "FROM_HOST").then(|| "value".to_owned());
    let mut options = BuildOptions::default();
    options.remote = Some(&Host);
    options.helm = Some(&Host);
    options.functions = Some(&Host);
    options.environment = Some(&environment);
    options.enable_helm = true;
    options.enable_functions = true;
    match build(&tree, "", &options) {
        Ok(build) => Ok(build.to_yaml()),
        Err(errors) => Err(errors.to_string()),
    }
}

#[test]
fn remote_bases_and_files_are_fetched() {
    let text = "namePrefix: p-\nresources:\n- https://example.com/org/repo//y?ref=v1\n- https://example.com/raw/pod.yaml\n";
    let yaml = run(&[("kustomization.yaml", text)]).expect("it can be fetched");
    assert!(
        yaml.contains("name: p-remote\n") && yaml.contains("name: p-file\n"),
        "{yaml}"
    );
    let text = "resources: ['https://example.com/org/repo//x?ref=v1']\n";
    let message = run(&[("kustomization.yaml", text)]).expect_err("it leads out");
    assert!(message.contains("pod.yaml"), "{message}");
    let text = "resources: ['https://other.com/org/repo?ref=v1']\n";
    let message = run(&[("kustomization.yaml", text)]).expect_err("there is none");
    assert!(message.contains("no such host"), "{message}");
}

/// The pages of hosts of repositories are no resources, and the address of a file is of no repository.
#[test]
fn addresses_are_told_apart() {
    let text = "resources: ['https://example.com/page/repo']\n";
    let yaml = run(&[("kustomization.yaml", text)]).expect("it is a repository");
    assert!(yaml.contains("name: page\n"), "{yaml}");
    let text = "resources: ['https://example.com/org/repo/missing.yaml']\n";
    let message = run(&[("kustomization.yaml", text)]).expect_err("it is absent");
    assert!(message.ends_with("missing.yaml`: 404"), "{message}");
}

#[test]
fn charts_are_rendered_with_their_values() {
    let files = [
        (
            "kustomization.yaml",
            "namespace: shop\nnamePrefix: p-\nhelmCharts:\n- name: web\n  releaseName: r\n  valuesInline: {b: '2'}\n",
        ),
        ("charts/web/values.yaml", "a: '1'\nb: '1'\n"),
    ];
    assert_eq!(
        run(&files).expect("it can be rendered"),
        "apiVersion: v1\ndata:\n  a: \"1\"\n  b: \"2\"\nkind: ConfigMap\nmetadata:\n  name: p-r\n  namespace: shop\n"
    );
}

#[test]
fn functions_are_run() {
    let files = |name: &str| {
        format!(
            "resources: [a.yaml]\ntransformers:\n- |-\n  apiVersion: example.com/v1\n  kind: Fn\n  metadata: {{name: {name}}}\n"
        )
    };
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n";
    let yaml = run(&[("kustomization.yaml", &files("works")), ("a.yaml", pod)]);
    assert!(yaml.expect("it runs").contains("seen: \"yes\""));
    let message = run(&[("kustomization.yaml", &files("fails")), ("a.yaml", pod)]);
    assert!(
        message
            .expect_err("it fails")
            .contains("Fn `fails`: it fails")
    );
}

#[test]
fn a_bare_name_is_looked_up_in_the_environment_of_the_host() {
    let files = [
        (
            "kustomization.yaml",
            "configMapGenerator: [{name: x, envs: [e.env]}]\n",
        ),
        ("e.env", "FROM_HOST\nOTHER\n"),
    ];
    let yaml = run(&files).expect("it can be built");
    assert!(
        yaml.contains("  FROM_HOST: value\n  OTHER: \"\"\n"),
        "{yaml}"
    );
}
