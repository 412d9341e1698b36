//! `lookup`: live objects within templates.

use gitops_manifest::Value;

/// Answers `lookup "v1" "Secret" "namespace" "name"` of templates.
///
/// Without one, `lookup` finds nothing, as in `helm template`. A host that has a cluster gives templates its
/// objects through this trait, from memory or over a connection.
///
/// ```
/// use gitops_helm::Lookup;
/// use gitops_manifest::Value;
///
/// struct Nothing;
/// impl Lookup for Nothing {
///     fn lookup(&self, _: &str, _: &str, _: &str, _: &str) -> Result<Option<Value>, String> {
///         Ok(None)
///     }
/// }
/// ```
pub trait Lookup: Send + Sync {
    /// Returns an object; a list of objects (`items`) where `name` is empty; nothing where there is none.
    ///
    /// `namespace` is empty for objects of the cluster and for lists over all namespaces.
    ///
    /// # Errors
    /// A message, with which the template fails.
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, String>;
}
