//! What charts draw at random follows a seed, which all replicas have in common.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitops::manifest::{Object, ObjectKey};
use gitops::{ApplyMode, ApplyOptions, Target, TargetError};
use serde_json::json;

use crate::settings::secret_data;

/// The Secret that holds the seed.
const NAME: &str = "gitops-controller-seed";

/// Returns the seed of an installation: the one in the Secret `gitops-controller-seed` of the control namespace. Where there is
/// none yet it is made, from `own`, so that all replicas render the same passwords and whoever takes over does so too.
///
/// # Errors
/// Where the Secret cannot be read or made, or holds something else.
pub async fn shared_seed(
    target: &dyn Target,
    namespace: &str,
    own: u64,
) -> Result<u64, TargetError> {
    let key = ObjectKey::new("", "Secret", namespace, NAME);
    if let Some(secret) = target.get(&key).await? {
        return read(&secret);
    }
    let secret = Object::try_from(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": NAME, "namespace": namespace},
        "data": BTreeMap::from([("seed", STANDARD.encode(own.to_string()))]),
    }))
    .expect("it has a kind");
    let options = ApplyOptions::server_side("gitops-controller").with_mode(ApplyMode::Create);
    match target.apply(&secret, &options).await {
        Ok(_) => Ok(own),
        // Another replica was faster.
        Err(TargetError::AlreadyExists { .. }) => match target.get(&key).await? {
            Some(secret) => read(&secret),
            None => Err(TargetError::NotFound { key }),
        },
        Err(error) => Err(error),
    }
}

fn read(secret: &Object) -> Result<u64, TargetError> {
    let data = secret_data(secret);
    let seed = data.get("seed").and_then(|seed| seed.trim().parse().ok());
    seed.ok_or_else(|| TargetError::Invalid {
        key: secret.key(),
        reason: "data.seed is no number; restore it, or delete the secret to have all drawn anew"
            .to_owned(),
    })
}
