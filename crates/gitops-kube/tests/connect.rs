//! Configurations of clients.

use gitops_kube::{ClusterSecret, Commands, KubeError, KubeOptions, kubeconfig};
use gitops_manifest::Object;
use serde_json::{Value, json};

const CONFIG: &str = r#"
apiVersion: v1
kind: Config
current-context: one
clusters:
- name: one
  cluster: {server: "https://one.example.com:6443"}
- name: two
  cluster: {server: "https://two.example.com:6443", insecure-skip-tls-verify: true}
contexts:
- name: one
  context: {cluster: one, user: token, namespace: shop}
- name: two
  context: {cluster: two, user: command}
users:
- name: token
  user: {token: s3cret}
- name: command
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, command: get-token, interactiveMode: Never}
"#;

#[tokio::test]
async fn a_context_is_chosen() {
    let current = kubeconfig(CONFIG, None, Commands::Refuse).await.unwrap();
    assert_eq!(current.cluster_url.host(), Some("one.example.com"));
    assert_eq!(current.default_namespace, "shop");
    let two = kubeconfig(CONFIG, Some("two"), Commands::Allow)
        .await
        .unwrap();
    assert!(two.accept_invalid_certs);
    let error = kubeconfig(CONFIG, Some("three"), Commands::Allow)
        .await
        .unwrap_err();
    assert!(matches!(error, KubeError::Kubeconfig { .. }), "{error:?}");
    let error = kubeconfig("clusters: 1", None, Commands::Allow)
        .await
        .unwrap_err();
    assert!(matches!(error, KubeError::Kubeconfig { .. }), "{error:?}");
}

#[tokio::test]
async fn no_command_is_run_that_was_not_allowed() {
    let error = kubeconfig(CONFIG, Some("two"), Commands::Refuse)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, KubeError::Command { command, .. } if command == "get-token"),
        "{error:?}"
    );
    let aws = r#"{"awsAuthConfig": {"clusterName": "eu", "roleARN": "arn:x"}}"#;
    let aws = ClusterSecret::parse(&secret(aws)).unwrap();
    assert!(matches!(
        aws.config(Commands::Refuse).await,
        Err(KubeError::Command { command, .. }) if command == "aws"
    ));
    let config = aws.config(Commands::Allow).await.unwrap();
    let exec = config.auth_info.exec.unwrap();
    let args = exec.args.unwrap();
    assert!(args.windows(2).any(|pair| pair == ["--cluster-name", "eu"]));
    assert!(args.windows(2).any(|pair| pair == ["--role-arn", "arn:x"]));
    let plugin = r#"{"execProviderConfig": {"command": "argocd-k8s-auth", "args": ["gcp"], "env": {"A": "b"},
        "apiVersion": "client.authentication.k8s.io/v1beta1"}}"#;
    let plugin = ClusterSecret::parse(&secret(plugin)).unwrap();
    assert!(plugin.config(Commands::Refuse).await.is_err());
    let exec = plugin
        .config(Commands::Allow)
        .await
        .unwrap()
        .auth_info
        .exec
        .unwrap();
    assert_eq!(exec.command.as_deref(), Some("argocd-k8s-auth"));
    assert_eq!(exec.env.unwrap()[0]["value"], "b");
}

fn secret(config: &str) -> Object {
    with(&json!({"server": "https://eu.example.com:6443/", "name": "eu", "config": config}))
}

fn with(data: &Value) -> Object {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": data,
        "metadata": {"name": "cluster-eu", "namespace": "argocd",
            "labels": {"argocd.argoproj.io/secret-type": "cluster", "env": "prod"}},
    });
    Object::try_from(secret).unwrap()
}

/// `-----BEGIN CERTIFICATE-----` and so on, of a certificate that is one byte.
const PEM: &str =
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";

#[tokio::test]
async fn a_secret_becomes_a_configuration() {
    let config = json!({
        "bearerToken": "s3cret",
        "tlsClientConfig": {"caData": PEM, "serverName": "eu.internal"},
        "disableCompression": true, "proxyUrl": "http://proxy.example.com:3128",
    });
    let cluster = ClusterSecret::parse(&secret(&config.to_string())).unwrap();
    assert_eq!(cluster.server, "https://eu.example.com:6443");
    assert_eq!(cluster.labels["env"], "prod");
    let config = cluster.config(Commands::Refuse).await.unwrap();
    assert_eq!(config.cluster_url.host(), Some("eu.example.com"));
    assert_eq!(config.root_cert, Some(vec![vec![0x30]]));
    assert_eq!(config.tls_server_name.as_deref(), Some("eu.internal"));
    assert!(config.auth_info.token.is_some() && config.disable_compression);
    assert_eq!(config.proxy_url.unwrap().host(), Some("proxy.example.com"));
    assert!(!config.default_retry);
    let password = secret(
        r#"{"username": "anna", "password": "s3cret", "tlsClientConfig": {"insecure": true}}"#,
    );
    let config = ClusterSecret::parse(&password).unwrap();
    let config = config.config(Commands::Refuse).await.unwrap();
    assert_eq!(config.auth_info.username.as_deref(), Some("anna"));
    assert!(config.accept_invalid_certs);
}

#[test]
fn a_secret_limits_what_is_read() {
    let limited = with(&json!({
        "server": "https://eu.example.com", "namespaces": "shop, web,", "clusterResources": "true", "project": "blue",
    }));
    let cluster = ClusterSecret::parse(&limited).unwrap();
    assert_eq!(
        (cluster.name.as_str(), cluster.project.as_str()),
        ("https://eu.example.com", "blue")
    );
    let options = cluster.options(KubeOptions::default());
    assert_eq!(options.namespaces.len(), 2);
    assert!(options.cluster_objects);
    let limited = with(&json!({"server": "https://eu.example.com", "namespaces": "shop"}));
    let options = ClusterSecret::parse(&limited)
        .unwrap()
        .options(KubeOptions::default());
    assert!(!options.cluster_objects);
    let all = with(&json!({"server": "https://eu.example.com"}));
    let options = ClusterSecret::parse(&all)
        .unwrap()
        .options(KubeOptions::default());
    assert!(options.cluster_objects && options.namespaces.is_empty());
}

#[tokio::test]
async fn what_is_wrong_with_a_secret_is_named_and_nothing_of_it_shown() {
    let cases = [
        (json!({}), "data.server: is missing"),
        (
            json!({"server": "eu.example.com"}),
            "data.server: must be an address",
        ),
        (
            json!({"server": "https://a", "config": "{s3cret"}),
            "data.config: is not JSON, at line 1",
        ),
        (
            json!({"server": "https://a", "config": r#"{"bearerToken": ["s3cret"]}"#}),
            "data.config: has a field of a wrong type",
        ),
        (
            json!({"server": "https://a", "config": r#"{"tlsClientConfig": {"caData": "s3cret!"}}"#}),
            "tlsClientConfig.caData: is not base64",
        ),
        (
            json!({"server": "https://a", "config": r#"{"tlsClientConfig": {"keyData": "czNjcmV0"}}"#}),
            "tlsClientConfig.keyData: is not PEM",
        ),
        (
            json!({"server": "https://a", "config": format!(r#"{{"tlsClientConfig": {{"certData": "{PEM}"}}}}"#)}),
            "certData and keyData belong together",
        ),
        (
            json!({"server": "https://a", "config": format!(r#"{{"tlsClientConfig": {{"insecure": true, "caData": "{PEM}"}}}}"#)}),
            "tlsClientConfig.insecure: ",
        ),
        (
            json!({"server": "https://a", "config": r#"{"execProviderConfig": {}}"#}),
            "execProviderConfig.command: is missing",
        ),
        (
            json!({"server": "https://a", "config": r#"{"proxyUrl": "s3cret s3cret"}"#}),
            "proxyUrl: is not an address",
        ),
    ];
    for (data, expected) in cases {
        let error = match ClusterSecret::parse(&with(&data)) {
            Ok(cluster) => cluster.config(Commands::Allow).await.unwrap_err(),
            Err(error) => error,
        };
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains("argocd/cluster-eu") && shown.contains(expected),
            "{data}: {shown}"
        );
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    let mut other = with(&json!({"server": "https://a"}));
    other.set_label("argocd.argoproj.io/secret-type", "repository");
    assert!(!ClusterSecret::is_one(&other));
    assert!(ClusterSecret::parse(&other).is_err());
    let mut binary = with(&json!({}));
    let data = gitops_manifest::Map::from([("server", "%%%")]);
    binary.as_map_mut().insert("data", data);
    let error = ClusterSecret::parse(&binary).unwrap_err();
    assert!(
        error.to_string().contains("data.server: is not base64"),
        "{error}"
    );
}

#[test]
fn secrets_are_not_shown() {
    for config in [
        r#"{"bearerToken": "s3cret"}"#,
        r#"{"username": "anna", "password": "s3cret"}"#,
        r#"{"tlsClientConfig": {"certData": "s3cret", "keyData": "s3cret"}}"#,
        r#"{"execProviderConfig": {"command": "a", "args": ["s3cret"]}}"#,
    ] {
        let cluster = ClusterSecret::parse(&secret(config)).unwrap();
        assert!(!format!("{cluster:?}").contains("s3cret"));
    }
}
