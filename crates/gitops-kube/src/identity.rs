//! In whose name requests are made.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::KubeError;

/// A user in whose name requests are made by somebody who may do that: the `impersonate` verb on `users`, `groups`,
/// `serviceaccounts`, `uids` and `userextras`.
///
/// ```
/// use gitops_kube::Impersonation;
/// let identity = Impersonation::service_account("shop", "deployer");
/// assert_eq!(identity.user, "system:serviceaccount:shop:deployer");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Impersonation {
    /// The name.
    pub user: String,
    /// The groups; those of a service account and `system:authenticated` are added by the server where there are none.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The UID.
    #[serde(default)]
    pub uid: Option<String>,
    /// What else is known of the user.
    #[serde(default)]
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Impersonation {
    /// Means a user.
    #[must_use]
    pub fn new(user: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            ..Self::default()
        }
    }

    /// Means a service account.
    #[must_use]
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self::new(format!("system:serviceaccount:{namespace}:{name}"))
    }

    /// Adds groups.
    #[must_use]
    pub fn with_groups<G: Into<String>>(mut self, groups: impl IntoIterator<Item = G>) -> Self {
        self.groups.extend(groups.into_iter().map(Into::into));
        self
    }

    pub(crate) fn headers(&self) -> Result<HeaderMap, KubeError> {
        let mut headers = HeaderMap::new();
        let refused = |what: &str, text: &str| KubeError::Impersonation {
            what: what.to_owned(),
            text: text.to_owned(),
        };
        if self.user.is_empty() {
            return Err(refused("user", ""));
        }
        let mut add = |name: HeaderName, what: &str, text: &str| {
            let value = HeaderValue::from_str(text).map_err(|_| refused(what, text))?;
            headers.append(name, value);
            Ok(())
        };
        add(
            HeaderName::from_static("impersonate-user"),
            "user",
            &self.user,
        )?;
        for group in &self.groups {
            add(HeaderName::from_static("impersonate-group"), "group", group)?;
        }
        if let Some(uid) = &self.uid {
            add(HeaderName::from_static("impersonate-uid"), "uid", uid)?;
        }
        for (key, values) in &self.extra {
            let name = format!("impersonate-extra-{}", escaped(key));
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused("extra", key))?;
            for value in values {
                add(name.clone(), "extra", value)?;
            }
        }
        Ok(headers)
    }
}

/// Writes a key so that it can be part of the name of a header, which servers undo.
fn escaped(key: &str) -> String {
    let mut out = String::new();
    for byte in key.bytes() {
        let plain =
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$&'*+-.^_`|~".contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02x}").expect("a string takes any text");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_becomes_headers() {
        let mut identity =
            Impersonation::service_account("shop", "deployer").with_groups(["a", "b"]);
        identity.uid = Some("7".to_owned());
        identity
            .extra
            .insert("example.com/Scope".to_owned(), vec!["x".to_owned()]);
        let headers = identity.headers().unwrap();
        let of = |name: &str| -> Vec<&str> {
            let values = headers.get_all(name).iter();
            values.map(|value| value.to_str().unwrap()).collect()
        };
        assert_eq!(
            of("impersonate-user"),
            ["system:serviceaccount:shop:deployer"]
        );
        assert_eq!(of("impersonate-group"), ["a", "b"]);
        assert_eq!(of("impersonate-uid"), ["7"]);
        assert_eq!(of("impersonate-extra-example.com%2f%53cope"), ["x"]);
    }

    #[test]
    fn what_cannot_be_a_header_is_refused() {
        for user in ["", "a\nb"] {
            let error = Impersonation::new(user).headers().unwrap_err();
            assert!(error.to_string().contains("user"), "{error}");
        }
    }
}
