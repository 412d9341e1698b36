use gitops_manifest::Str;
use serde_json::{Map, Value};

/// What a token says of who has signed in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// Takes claims over.
    #[must_use]
    pub const fn new(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    /// Reads the payload of a token. Whether the token is genuine is for others to see.
    ///
    /// # Errors
    /// Where it is no JSON object.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }

    /// Returns the user: the id at the connector where there is one, else the subject.
    #[must_use]
    pub fn user(&self) -> &str {
        let federated = self
            .0
            .get("federated_claims")
            .and_then(|claims| claims.get("user_id")?.as_str())
            .filter(|id| !id.is_empty());
        federated
            .or_else(|| self.0.get("sub")?.as_str())
            .unwrap_or_default()
    }

    /// Returns the groups that some claims name: each is one text, or a list of them.
    pub fn groups<'a>(&'a self, scopes: &'a [Str]) -> impl Iterator<Item = &'a str> {
        scopes.iter().flat_map(|scope| {
            let (one, list) = match self.0.get(&**scope) {
                Some(Value::String(one)) => (Some(one.as_str()), None),
                Some(Value::Array(list)) => (None, Some(list)),
                _ => (None, None),
            };
            one.into_iter()
                .chain(list.into_iter().flatten().filter_map(Value::as_str))
        })
    }
}
