//! The addresses at which people reach what an application deploys, as Argo CD's `summary.externalURLs` has them.

use std::collections::BTreeSet;

use gitops_manifest::{Object, Value};

/// Annotations whose names begin so hold an address, with or without a title in front: `Title|https://…`.
const LINK: &str = "link.argocd.argoproj.io/";

/// With `true` an Ingress tells the addresses of its annotations alone.
const NO_DEFAULT_LINKS: &str = "argocd.argoproj.io/ignore-default-links";

/// Adds the addresses that an object tells.
pub(crate) fn external_urls(object: &Object, urls: &mut BTreeSet<String>) {
    let annotations = object.meta("annotations").and_then(Value::as_object);
    for (name, value) in annotations.into_iter().flatten() {
        if name.starts_with(LINK)
            && let Some(url) = value.as_str()
        {
            urls.insert(url.to_owned());
        }
    }
    let is_ingress =
        object.kind() == "Ingress" && matches!(object.group(), "extensions" | "networking.k8s.io");
    if is_ingress && object.annotation(NO_DEFAULT_LINKS) != Some("true") {
        ingress(object, urls);
    }
}

fn ingress(object: &Object, urls: &mut BTreeSet<String>) {
    let list = |value: Option<&Value>| -> Vec<Value> {
        let list = value.and_then(Value::as_array);
        list.map(|list| list.to_vec()).unwrap_or_default()
    };
    let text = |value: &Value, field: &str| -> String {
        let text = value.get(field).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let tls = list(object.at(&["spec", "tls"]));
    let addresses = list(object.at(&["status", "loadBalancer", "ingress"]));
    for rule in list(object.at(&["spec", "rules"])) {
        let mut host = text(&rule, "host");
        if host.is_empty() {
            // Without a name of its own it is reached at the load balancer.
            let address = |a: &Value| {
                let name = text(a, "hostname");
                if name.is_empty() { text(a, "ip") } else { name }
            };
            let mut known = addresses.iter().map(address);
            host = known
                .find(|address| !address.is_empty())
                .unwrap_or_default();
        }
        if host.is_empty() {
            continue;
        }
        let secret = |entry: &Value| {
            entry
                .get("secretName")
                .is_some_and(|name| *name != Value::Null)
        };
        let names_host = |entry: &Value| {
            list(entry.get("hosts"))
                .iter()
                .any(|name| name.as_str() == Some(&host))
        };
        let secure = tls.iter().any(|entry| secret(entry) || names_host(entry));
        let scheme = if secure { "https" } else { "http" };
        for path in list(rule.get("http").and_then(|http| http.get("paths"))) {
            let path = text(&path, "path");
            let path = path.strip_suffix('*').unwrap_or(&path);
            urls.insert(format!("{scheme}://{host}{path}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn urls(object: serde_json::Value) -> Vec<String> {
        let object = Object::try_from(object).expect("it is an object");
        let mut urls = BTreeSet::new();
        external_urls(&object, &mut urls);
        urls.into_iter().collect()
    }

    #[test]
    fn an_ingress_tells_hosts_paths_and_schemes() {
        let ingress = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
            "spec": {
                "tls": [{"hosts": ["shop.example.com"]}],
                "rules": [
                    {"host": "shop.example.com", "http": {"paths": [{"path": "/*"}, {"path": "/api"}]}},
                    {"host": "plain.example.com", "http": {"paths": [{}]}},
                    {"http": {"paths": [{"path": "/x"}]}},
                ],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}},
        });
        assert_eq!(
            urls(ingress),
            [
                "http://203.0.113.9/x",
                "http://plain.example.com",
                "https://shop.example.com/",
                "https://shop.example.com/api",
            ]
        );
    }

    #[test]
    fn annotations_tell_addresses_and_may_be_all_that_does() {
        let ingress = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": "web", "annotations": {
                "link.argocd.argoproj.io/shop": "Shop|https://shop.example.com",
                "argocd.argoproj.io/ignore-default-links": "true",
            }},
            "spec": {"rules": [{"host": "a.example.com", "http": {"paths": [{"path": "/"}]}}]},
        });
        assert_eq!(urls(ingress), ["Shop|https://shop.example.com"]);
    }
}
