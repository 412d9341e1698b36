//! A Kubernetes API server in a value, for tests and simulations.
//!
//! There is an in-memory implementation of every trait through which the engine meets the world, good enough to test one's
//! own controllers against: a [`MemoryTarget`] is a cluster, a [`MemorySource`] holds repositories, a [`MemoryStore`] keeps
//! state, and a [`SimClock`] tells a time that passes only when everybody waits for it. None of them starts a thread, opens a
//! socket or reads the machine's clock, so that a test is as fast as its code and takes the same course every time.
//!
//! # A cluster
//! Whatever a program does through [`Target`](gitops_core::Target) has the outcome that it has on a real API server of Kubernetes
//! 1.36. Its controllers work by the clock, and the tag of an image decides what becomes of a pod:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use futures::StreamExt as _;
//! use gitops_core::{ApplyOptions, Clock as _, Scope, Target as _, TargetError, WatchEvent};
//! use gitops_manifest::{GroupKind, Object, Value};
//! use gitops_memory::{Fault, FaultKind, MemoryTarget, Operation, SimClock};
//!
//! let clock = SimClock::new();
//! let target = MemoryTarget::new(Arc::new(clock.clone()));
//! let web = |image: &str| Object::try_from(serde_json::json!({
//!     "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
//!     "spec": {
//!         "replicas": 2,
//!         "selector": {"matchLabels": {"app": "web"}},
//!         "template": {
//!             "metadata": {"labels": {"app": "web"}},
//!             "spec": {"containers": [{"name": "web", "image": image}]},
//!         },
//!     },
//! }));
//! let available = |object: &Object| object.at(&["status", "availableReplicas"]).and_then(Value::as_i64);
//! let options = ApplyOptions::server_side("my-controller");
//!
//! clock.run(async {
//!     // Apply: fields that were left open are filled in.
//!     let made = target.apply(&web("web:1")?, &options).await?.object;
//!     assert_eq!(made.at(&["spec", "progressDeadlineSeconds"]).and_then(Value::as_i64), Some(600));
//!
//!     // Watch: the pods come up while the clock jumps from one event to the next.
//!     let deployments = Scope::all().with_kinds([GroupKind::new("apps", "Deployment")]);
//!     let begin = clock.now();
//!     let mut watch = target.watch(&deployments, made.resource_version()).await?;
//!     while let Some(event) = watch.next().await {
//!         if let WatchEvent::Applied(object) = event?
//!             && available(&object) == Some(2)
//!         {
//!             break;
//!         }
//!     }
//!     assert_eq!(clock.now().since(begin).as_secs(), 2);
//!
//!     // Simulate: this image cannot be pulled. What runs goes on running.
//!     target.apply(&web("web:bad")?, &options).await?;
//!     clock.sleep(Duration::from_secs(60)).await;
//!     let stuck = target.objects().into_iter().find(|object| {
//!         let statuses = object.at(&["status", "containerStatuses"]).and_then(Value::as_array);
//!         statuses.is_some_and(|statuses| {
//!             let reason = statuses[0].at(&["state", "waiting", "reason"]);
//!             reason.and_then(Value::as_str) == Some("ImagePullBackOff")
//!         })
//!     });
//!     assert_eq!(stuck.map(|pod| pod.kind().to_owned()).as_deref(), Some("Pod"));
//!     assert_eq!(target.object(&made.key()).as_ref().and_then(available), Some(2));
//!
//!     // Inject faults: the answer to the next apply is lost, though it is carried out.
//!     target.inject(Fault::new(Operation::Apply, FaultKind::LostAnswer));
//!     let answer = target.apply(&web("web:2")?, &options).await;
//!     assert!(matches!(answer, Err(TargetError::Unavailable { .. })));
//!     clock.sleep(Duration::from_secs(60)).await;
//!     assert_eq!(target.object(&made.key()).and_then(|web| web.generation()), Some(3));
//!     Ok::<(), Box<dyn std::error::Error>>(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - A person at work: [`MemoryTarget::edit`] changes an object by hand, [`MemoryTarget::set_status`] plays the controller of a
//!   kind of one's own.
//! - What images, storage classes and load balancers do, and how long it takes: [`Simulation`].
//! - What goes wrong, by chance or at a certain request: [`Faults`] and [`Fault`]; what was asked for:
//!   [`MemoryTarget::take_requests`].
//! - The point at which a program dies: [`FaultKind::Hang`] with [`MemoryTarget::hung`], after which the program's future is dropped
//!   and begun anew on the same cluster.
//! - What every target must do, checked on one of your own: [`contract`].
//!
//! # Limits
//! There is no authorisation, no admission by webhooks or policies, no quota, no conversion of custom resources between versions
//! of another form; an object is held in the version in which it was written last. Aggregated APIs, and versions that a server of
//! Kubernetes 1.36 does not serve by default, are absent. CronJobs start nothing, HorizontalPodAutoscalers see no load, Services have no
//! endpoints. What is validated are the rules that are met in practice, in the words of the server; not all of them.
#![deny(missing_docs)]

mod clock;
pub mod contract;
mod faults;
mod random;
mod server;
mod simulation;
mod source;
mod store;
mod target;

pub use clock::SimClock;
pub use faults::{Fault, FaultKind, Faults, Operation};
pub use simulation::{Behaviour, Simulation};
pub use source::{CommitOptions, MemorySource};
pub use store::MemoryStore;
pub use target::{MemoryOptions, MemoryTarget, Request};
