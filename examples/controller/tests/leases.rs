//! Several replicas: who looks after what.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, select};
use gitops::manifest::{ObjectKey, Value};
use gitops::memory::{Fault, FaultKind, Operation};
use gitops::{ApplicationId, Clock, TargetError};
use gitops_controller::{Controller, ControllerOptions, LeaseOptions, shard_of, shared_seed};

use crate::world::{REPO, World, beside, config};

fn options(identity: &str, shards: u32) -> ControllerOptions {
    let mut lease = LeaseOptions::new("argocd", identity);
    lease.shards = shards;
    let mut options = ControllerOptions::default();
    options.lease = Some(lease);
    options
}

fn holder(world: &World, lease: &str) -> String {
    let key = ObjectKey::new("coordination.k8s.io", "Lease", "argocd", lease);
    let Some(lease) = world.target.object(&key) else {
        return String::new();
    };
    let holder = lease
        .at(&["spec", "holderIdentity"])
        .and_then(Value::as_str);
    holder.unwrap_or_default().to_owned()
}

fn holds(controller: &Controller) -> usize {
    controller.shards().map_or(0, |shards| shards.len())
}

#[test]
fn replicas_share_one_seed() {
    let world = World::new(&[]);
    let w = &world;
    world.clock.run(async {
        let (one, two) = futures::join!(
            shared_seed(&w.target, "argocd", 1),
            shared_seed(&w.target, "argocd", 2)
        );
        let seed = one.unwrap();
        assert!([1, 2].contains(&seed));
        assert_eq!(two.unwrap(), seed);
        assert_eq!(shared_seed(&w.target, "argocd", 3).await.unwrap(), seed);
        let key = ObjectKey::new("", "Secret", "argocd", "gitops-controller-seed");
        w.target
            .edit(&key, |secret| {
                secret.as_map_mut().remove("data");
            })
            .unwrap();
        let damaged = shared_seed(&w.target, "argocd", 3).await;
        assert!(
            matches!(damaged, Err(TargetError::Invalid { .. })),
            "{damaged:?}"
        );
    });
}

#[test]
fn one_of_two_works_and_the_other_takes_over_when_it_dies() {
    let world = World::new(&["web"]);
    let w = &world;
    world.clock.run(async {
        let one = w.controller(options("one", 1)).await;
        let two = w.controller(options("two", 1)).await;
        w.application("web", true).await;
        let forever = std::future::pending::<()>;
        let second = async {
            let first = async {
                w.until("synced", || w.is_good("web")).await;
                assert_eq!(holder(w, "gitops-controller"), "one");
                w.clock.sleep(Duration::from_secs(120)).await;
                assert_eq!(holder(w, "gitops-controller"), "one", "it is renewed");
                assert_eq!((holds(&one), holds(&two)), (1, 0));
                assert!(two.engine().applications().is_empty());
            };
            // It is dropped where it stands, as a process that is killed.
            beside(one.run(forever()), first).await;
            let died = w.clock.now();
            w.source.edit(
                REPO,
                "main",
                [("web/config.yaml", Some(&*config("web", "two")))],
            );
            w.until("taken over", || holder(w, "gitops-controller") == "two")
                .await;
            let took = w.clock.now().since(died);
            assert!(
                took >= Duration::from_secs(12),
                "not before the lease has run out: {took:?}"
            );
            assert!(took <= Duration::from_secs(20), "{took:?}");
            w.until("rolled out", || w.value("web").as_deref() == Some("two"))
                .await;
        };
        let first_comes_first = async {
            w.clock.sleep(Duration::from_millis(500)).await;
            two.run(forever()).await.unwrap();
        };
        select(std::pin::pin!(first_comes_first), std::pin::pin!(second)).await;
    });
}

#[test]
fn whoever_gets_no_answer_lets_go_before_the_other_takes_over() {
    let world = World::new(&["web"]);
    let w = &world;
    world.clock.run(async {
        let one = w.controller(options("one", 1)).await;
        let two = w.controller(options("two", 1)).await;
        let story = async {
            w.until("held", || holds(&one) == 1).await;
            w.clock.sleep(Duration::from_secs(20)).await;
            // The request for the renewal is lost on its way, and the connection stays open.
            let lease = ObjectKey::new(
                "coordination.k8s.io",
                "Lease",
                "argocd",
                "gitops-controller",
            );
            let lost = Fault::new(Operation::Apply, FaultKind::Hang).on(lease);
            w.target.inject(lost);
            w.until("let go of or taken over", || {
                assert!(holds(&one) + holds(&two) <= 1, "two hold it");
                holds(&one) == 0
            })
            .await;
            assert_eq!(
                holder(w, "gitops-controller"),
                "one",
                "before it has run out"
            );
            // It takes it again, or the other one does.
            w.until("held again", || holds(&one) + holds(&two) == 1)
                .await;
        };
        let forever = std::future::pending::<()>;
        let both = join(one.run(forever()), two.run(forever()));
        select(std::pin::pin!(both), std::pin::pin!(story)).await;
    });
}

#[test]
fn a_lease_is_let_go_of_at_the_end() {
    let world = World::new(&["web"]);
    let w = &world;
    world.clock.run(async {
        let one = w.controller(options("one", 1)).await;
        let two = w.controller(options("two", 1)).await;
        one.run(async {
            w.until("held", || holder(w, "gitops-controller") == "one")
                .await;
        })
        .await
        .unwrap();
        assert_eq!(holder(w, "gitops-controller"), "");
        let begin = w.clock.now();
        two.run(async {
            w.until("held", || holder(w, "gitops-controller") == "two")
                .await;
        })
        .await
        .unwrap();
        assert!(w.clock.now().since(begin) < Duration::from_secs(5));
    });
}

#[test]
fn shards_are_spread_over_the_replicas_and_no_application_is_two_s() {
    let names: Vec<String> = (0..12).map(|i| format!("app-{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::new(&names);
    let w = &world;
    world.clock.run(async {
        let one = Arc::new(w.controller(options("one", 4)).await);
        let two = Arc::new(w.controller(options("two", 4)).await);
        for name in &names {
            w.application(name, true).await;
        }
        let all = |controller: &Controller| -> BTreeSet<ApplicationId> {
            controller.engine().applications().into_iter().collect()
        };
        let story = async {
            // The first takes all after a while; the second asks for its part.
            w.until("spread", || holds(&one) == 2 && holds(&two) == 2)
                .await;
            w.until("good", || names.iter().all(|name| w.is_good(name)))
                .await;
            w.clock.sleep(Duration::from_secs(60)).await;
            let (a, b) = (all(&one), all(&two));
            assert!(a.is_disjoint(&b));
            assert_eq!(a.len() + b.len(), names.len());
            for id in &a {
                assert!(one.shards().unwrap().contains(&shard_of(id, 4)));
            }
        };
        let both = join(one.run(std::future::pending()), async {
            w.clock.sleep(Duration::from_secs(90)).await;
            two.run(std::future::pending()).await
        });
        beside(both, story).await;
    });
}
