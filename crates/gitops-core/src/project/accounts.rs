//! In whose name a project's applications are synced.

use crate::application::AppProject;
use crate::glob::{Syntax, matches};
use crate::project::Cluster;

/// A service account in whose name objects are written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceAccount {
    /// Its user name, as `system:serviceaccount:shop:deployer`.
    pub user: String,
    /// The groups that every service account has.
    pub groups: Vec<String>,
}

/// Why no account could be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The entry that applies names no account.
    #[error(
        "project {project:?}: defaultServiceAccount {account:?} for server {server:?} and namespace \
         {namespace:?} is not the name of an account"
    )]
    Invalid {
        /// The project.
        project: String,
        /// What the entry says.
        account: String,
        /// The pattern for servers of the entry.
        server: String,
        /// The pattern for namespaces of the entry.
        namespace: String,
    },
}

/// Whether a text can name an account.
pub(super) fn is_account_name(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(['!', '*', '[', ']', '{', '}', '\\', '/'])
}

impl AppProject {
    /// Tells the account in whose name an application is synced to a destination: that of the first entry of
    /// `spec.destinationServiceAccounts` that matches, `None` where none does. An account without a namespace is one
    /// of the destination namespace, or of the application's where the destination names none.
    ///
    /// # Errors
    /// Where the entry names no account.
    pub fn service_account(
        &self,
        cluster: &Cluster,
        namespace: &str,
        application_namespace: &str,
    ) -> Result<Option<ServiceAccount>, AccountError> {
        let entry = self.spec.destination_service_accounts.iter().find(|entry| {
            matches(&entry.server, &cluster.server, Syntax::Any)
                && matches(&entry.namespace, namespace, Syntax::Any)
        });
        let Some(entry) = entry else { return Ok(None) };
        let account = entry.default_service_account.as_str();
        if !is_account_name(account) {
            return Err(AccountError::Invalid {
                project: self.name().to_owned(),
                account: account.to_owned(),
                server: entry.server.clone(),
                namespace: entry.namespace.clone(),
            });
        }
        let full = if account.contains(':') {
            account.to_owned()
        } else if namespace.is_empty() {
            format!("{application_namespace}:{account}")
        } else {
            format!("{namespace}:{account}")
        };
        let home = full.split(':').next().unwrap_or_default();
        Ok(Some(ServiceAccount {
            groups: vec![
                "system:serviceaccounts".into(),
                format!("system:serviceaccounts:{home}"),
                "system:authenticated".into(),
            ],
            user: format!("system:serviceaccount:{full}"),
        }))
    }
}
