//! Every patch and diff that Kubernetes people know, right, explained, and fast.
//!
//! | What | Where |
//! | --- | --- |
//! | Compare a desired with a live object as Argo CD does, each difference with its reason | [`compare`](mod@compare) |
//! | Leave out what does not count: JSON pointers, jq path expressions, field managers | [`ignore`] |
//! | Show it: unified, side by side, JSON, one line | [`show`] |
//! | Hide the data of Secrets | [`mask`] |
//! | JSON patch (RFC 6902), JSON merge patch (RFC 7396), strategic merge patch | [`json_patch`], [`merge_patch`], [`strategic`] |
//! | Server-side apply: field sets, ownership, conflicts, prediction | [`structured`] |
//! | The types of built-in kinds, custom resources and whatever an API server describes | [`schema`] |
//! | The normal form of objects: quantities, times, defaults, Secrets, Roles, Endpoints | [`normalize`] |
//!
//! # A tour
//!
//! Somebody has scaled a Deployment by hand, and a new image is to be rolled out. What would applying the desired object change, and
//! why?
//!
//! ```
//! use gitops_diff::ignore::{IgnoreRule, IgnoreRules};
//! use gitops_diff::{CompareOptions, compare, show};
//! use gitops_manifest::Object;
//!
//! let deployment = |replicas: i32, image: &str| {
//!     Object::try_from(serde_json::json!({
//!         "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
//!         "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "web", "image": image}]}}},
//!     }))
//! };
//! let desired = deployment(2, "web:2")?;
//! // Live has what was applied, what the server filled in, and what was changed since.
//! let mut live = deployment(5, "web:1")?;
//! let last_applied = deployment(2, "web:1")?.to_value().to_json();
//! live.set_annotation("kubectl.kubernetes.io/last-applied-configuration", last_applied);
//!
//! let comparison = compare(Some(&desired), Some(&live), &CompareOptions::default())?;
//! let told: Vec<_> = comparison.differences.iter().map(|difference| difference.explain()).collect();
//! assert_eq!(told, [
//!     "spec.replicas was changed to 5 in live since it was applied; desired is 2",
//!     "spec.template.spec.containers[name=web].image was changed in the desired object: live has \"web:1\", desired is \"web:2\"",
//! ]);
//!
//! // The replicas are an autoscaler's business: the difference knows the rule that leaves them out.
//! let rule = comparison.differences[0].ignore_rule(&desired);
//! assert_eq!(rule.json_pointers, ["/spec/replicas"]);
//! let ignore = IgnoreRules::new(&[rule])?.then(IgnoreRules::server_fields());
//! let comparison = compare(Some(&desired), Some(&live), &CompareOptions::default().ignore(ignore.clone()))?;
//! assert_eq!(comparison.summary(), "~ apps/Deployment/shop/web: 1 difference");
//! assert!(show::unified(&comparison, &show::ShowOptions::default()).ends_with("-web:1\n+web:2\n"));
//!
//! // The same rules keep the apply away from them.
//! let to_apply = ignore.respect(&desired, &live);
//! assert_eq!(to_apply.at(&["spec", "replicas"]).unwrap().as_i64(), Some(5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it decides
//!
//! Both sides are first brought into one form: what is of a built-in kind is read into its type and written again, so that `1000m` is
//! `1` and an empty field is an absent one; `stringData` moves to `data`; what the ignore rules name is left out. Then one walk goes down
//! last-applied, desired and live side by side and answers whether applying desired would change live. Lists merge by the keys of
//! strategic merge patch. A field counts where desired has it with another value, or where it was applied and is desired no more; what only
//! live has belongs to somebody else. Where the walk finds a change, both what is and what would be get the defaults of the API server
//! before they are compared.
//!
//! No patch is made to answer the question, nothing is serialised, and what does not change is shared; see
//! [`Comparison::merge_patch`] and [`strategic::create_three_way`] for the patches.
//!
//! [`Strategy::Structured`](compare::Strategy::Structured) asks what a server-side apply would do instead, worked out from
//! `metadata.managedFields` and the schema; [`Strategy::DryRun`](compare::Strategy::DryRun) takes the answer of a real one. What they
//! cannot know without a request: mutating webhooks, admission plugins, and defaults that a controller or a storage class decides on.
//!
//! # Where it differs from Argo CD
//!
//! What users of Argo CD have reported as wrong is mended by default; [`CompareOptions::compat`] gives Argo CD's behaviour step by step.
//! The list, with reasons and tests, is `docs/differences-diff.md` of the repository.
//!
//! # Features
//!
//! `jq`: jq path expressions in ignore rules. `parallel`: [`compare_all`](compare::compare_all) uses several threads.
#![deny(missing_docs)]

pub mod compare;
mod defaults;
pub mod ignore;
pub mod json_patch;
pub mod mask;
pub mod merge_patch;
pub mod normalize;
pub mod path;
mod places;
mod pointer;
pub mod schema;
pub mod show;
pub mod strategic;
pub mod structured;

pub use compare::{CompareOptions, Comparison, Difference, Status, Why, compare};
pub use path::{Path, Step};
pub use pointer::{Pointer, PointerError};
