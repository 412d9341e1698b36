//! The addresses of resources.

use std::fmt::Write as _;

use gitops_core::ApiKind;
use gitops_manifest::GroupVersionKind;

/// Returns the address of a group and version.
pub(crate) fn of_version(group: &str, version: &str) -> String {
    let mut path = String::new();
    if group.is_empty() {
        path.push_str("/api");
    } else {
        path.push_str("/apis/");
        segment(&mut path, group);
    }
    path.push('/');
    segment(&mut path, version);
    path
}

/// Returns the address of a collection: of a namespace, or across all where there is none.
pub(crate) fn collection(kind: &ApiKind, namespace: &str) -> String {
    let GroupVersionKind { group, version, .. } = &kind.gvk;
    let mut path = of_version(group, version);
    if kind.namespaced && !namespace.is_empty() {
        path.push_str("/namespaces/");
        segment(&mut path, namespace);
    }
    path.push('/');
    segment(&mut path, &kind.plural);
    path
}

/// Returns the address of an object.
pub(crate) fn object(kind: &ApiKind, namespace: &str, name: &str) -> String {
    let mut path = collection(kind, namespace);
    path.push('/');
    segment(&mut path, name);
    path
}

/// Appends a parameter to an address.
pub(crate) fn parameter(path: &mut String, name: &str, value: &str) {
    path.push(if path.contains('?') { '&' } else { '?' });
    path.push_str(name);
    path.push('=');
    escape(path, value, b"-._~:");
}

fn segment(path: &mut String, text: &str) {
    // A segment of dots alone would be taken for another place.
    if text == "." || text == ".." {
        for _ in text.bytes() {
            path.push_str("%2E");
        }
        return;
    }
    escape(path, text, b"-._~:@!$&'()*+,;=");
}

fn escape(out: &mut String, text: &str, plain: &[u8]) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes any text");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(group: &str, namespaced: bool) -> ApiKind {
        ApiKind {
            gvk: GroupVersionKind::new(group, "v1", "Kind"),
            plural: "kinds".into(),
            namespaced,
        }
    }

    #[test]
    fn addresses_are_those_of_the_api() {
        assert_eq!(
            object(&kind("", true), "shop", "web"),
            "/api/v1/namespaces/shop/kinds/web"
        );
        assert_eq!(
            object(&kind("a.example.com", false), "", "web"),
            "/apis/a.example.com/v1/kinds/web"
        );
        assert_eq!(collection(&kind("", true), ""), "/api/v1/kinds");
    }

    #[test]
    fn names_cannot_lead_elsewhere() {
        let role = kind("rbac.authorization.k8s.io", false);
        assert_eq!(
            object(&role, "", "system:node"),
            "/apis/rbac.authorization.k8s.io/v1/kinds/system:node"
        );
        for name in ["../secrets", "..", "a?watch=1", "a#b", "a/b", "ä"] {
            let path = object(&role, "", name);
            assert_eq!(path.matches('/').count(), 5, "{path}");
            assert!(
                !path.contains(['?', '#']) && !path.ends_with(".."),
                "{path}"
            );
        }
        let mut path = "/api".to_owned();
        parameter(&mut path, "fieldManager", "a&b=c d");
        parameter(&mut path, "force", "true");
        assert_eq!(path, "/api?fieldManager=a%26b%3Dc%20d&force=true");
    }
}
