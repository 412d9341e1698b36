//! When requests are repeated, and what becomes of refusals.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use gitops_core::{
    ApplyMode, ApplyOptions, DeleteOptions, Precondition, Propagation, Target as _, TargetError,
};
use gitops_kube::{Impersonation, KubeOptions};
use gitops_manifest::{Object, ObjectKey};
use serde_json::json;
use tokio::time::Instant;

use crate::fake::{Reply, Seen, map, target, usual_kinds};

const WEB: &str = "/api/v1/namespaces/shop/configmaps/web";
const MAPS: &str = "/api/v1/namespaces/shop/configmaps";

fn key() -> ObjectKey {
    ObjectKey::new("", "ConfigMap", "shop", "web")
}

fn web() -> Object {
    let web = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop"}, "data": {"x": "1"},
    });
    Object::try_from(web).unwrap()
}

/// Answers with what is known of kinds, and else with the replies in turn; the last one again and again.
fn in_turn(mut replies: Vec<fn() -> Reply>) -> impl FnMut(&Seen) -> Reply + Send + 'static {
    move |seen| {
        usual_kinds(seen).unwrap_or_else(|| {
            let reply = replies[0];
            if replies.len() > 1 {
                replies.remove(0);
            }
            reply()
        })
    }
}

fn found() -> Reply {
    Reply::json(&map("web", 5, "1"))
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_patience_gets_it() {
    let busy =
        || Reply::status(429, "TooManyRequests", "please wait").with_header("retry-after", "2");
    let (target, log) = target(KubeOptions::default(), in_turn(vec![busy, busy, found]));
    let begun = Instant::now();
    let object = target.get(&key()).await.unwrap().unwrap();
    assert_eq!(object.resource_version(), "5");
    assert_eq!(log.to(WEB).len(), 3);
    assert_eq!(begun.elapsed(), Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn it_is_given_up_in_time() {
    let busy = || Reply::status(503, "ServiceUnavailable", "starting");
    let (target, log) = target(KubeOptions::default(), in_turn(vec![busy]));
    let begun = Instant::now();
    let error = target.get(&key()).await.unwrap_err();
    assert!(
        error.is_transient() && error.to_string().contains("starting"),
        "{error}"
    );
    let limits = KubeOptions::default().retry;
    assert!(begun.elapsed() <= limits.time);
    assert_eq!(log.to(WEB).len(), limits.attempts as usize);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up() {
    let hangs = || Reply::Answer {
        code: 200,
        headers: Vec::new(),
        body: Box::pin(futures::stream::pending()),
    };
    let mut options = KubeOptions::default();
    options.timeout = Duration::from_secs(3);
    options.retry.attempts = 2;
    let (target, log) = target(options, in_turn(vec![hangs]));
    let error = target.get(&key()).await.unwrap_err();
    assert!(error.to_string().contains("no answer within 3s"), "{error}");
    assert_eq!(log.to(WEB).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_taken_is_sent_again_whatever_it_is() {
    for reply in [
        (|| Reply::None(ErrorKind::ConnectionRefused)) as fn() -> Reply,
        || Reply::status(429, "TooManyRequests", "please wait"),
        || Reply::status(503, "ServiceUnavailable", "closing").with_header("retry-after", "1"),
        || Reply::status(500, "ServerTimeout", "again").with_header("retry-after", "1"),
    ] {
        let made = || Reply::text(201, map("web", 5, "1").to_string());
        let (target, log) = target(KubeOptions::default(), in_turn(vec![reply, made]));
        let create = ApplyOptions::server_side("test").with_mode(ApplyMode::Create);
        target.apply(&web(), &create).await.unwrap();
        assert_eq!(log.to(MAPS).len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_done_is_not_done_twice() {
    for reply in [
        (|| Reply::None(ErrorKind::ConnectionReset)) as fn() -> Reply,
        || Reply::status(504, "Timeout", "took too long"),
        || Reply::status(500, "InternalError", "panic"),
    ] {
        let (target, log) = target(KubeOptions::default(), in_turn(vec![reply, found]));
        let create = ApplyOptions::server_side("test").with_mode(ApplyMode::Create);
        let error = target.apply(&web(), &create).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert_eq!(log.to(MAPS).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_apply_whose_answer_was_lost_is_made_again() {
    let lost = || Reply::None(ErrorKind::ConnectionReset);
    let absent = || Reply::not_found("configmaps", "web");
    let (first, log) = target(KubeOptions::default(), in_turn(vec![absent, lost, found]));
    first
        .apply(&web(), &ApplyOptions::server_side("test"))
        .await
        .unwrap();
    let patches = log.all().into_iter().filter(|seen| seen.is("PATCH", WEB));
    assert_eq!(patches.count(), 2);
    // Not where it was for one version alone, which the first attempt may have changed.
    let (second, log) = target(KubeOptions::default(), in_turn(vec![lost, found]));
    let only = ApplyOptions::server_side("test").with_precondition(Precondition::Unchanged {
        uid: "uid-web".into(),
        resource_version: "4".into(),
    });
    let error = second.apply(&web(), &only).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert_eq!(log.to(WEB).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_a_lost_answer_is_not_believed() {
    let absent = || Reply::not_found("configmaps", "web");
    let lost = || Reply::None(ErrorKind::ConnectionReset);
    let conflict = || Reply::status(409, "Conflict", "the object has been modified");
    let (target, _) = target(
        KubeOptions::default(),
        in_turn(vec![absent, lost, conflict]),
    );
    let error = target
        .apply(&web(), &ApplyOptions::server_side("test"))
        .await
        .unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_whose_answer_was_lost_has_been_done() {
    let lost = || Reply::None(ErrorKind::ConnectionReset);
    let gone = || Reply::not_found("configmaps", "web");
    let delete = DeleteOptions::new(Propagation::Background);
    let (first, _) = target(KubeOptions::default(), in_turn(vec![lost, gone]));
    first.delete(&key(), &delete).await.unwrap();
    let (second, _) = target(KubeOptions::default(), in_turn(vec![gone]));
    let error = second.delete(&key(), &delete).await.unwrap_err();
    assert!(matches!(error, TargetError::NotFound { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let broken = || Reply::Answer {
        code: 200,
        headers: Vec::new(),
        body: Box::pin(futures::stream::iter([
            Ok("{\"apiVersion\":\"v1\",".into()),
            Err(ErrorKind::UnexpectedEof.into()),
        ])),
    };
    let (target, log) = target(KubeOptions::default(), in_turn(vec![broken, found]));
    assert!(target.get(&key()).await.unwrap().is_some());
    assert_eq!(log.to(WEB).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_is_an_error() {
    for text in [
        "",
        "[]",
        "{\"kind\":\"ConfigMap\"}",
        "<html>",
        "{\"apiVersion\":\"v1\"",
    ] {
        let reply: &'static str = text;
        let (target, _) = target(KubeOptions::default(), move |seen| {
            usual_kinds(seen)
                .unwrap_or_else(|| Reply::text(200, Bytes::from_static(reply.as_bytes())))
        });
        let error = target.get(&key()).await.unwrap_err();
        assert!(
            error.to_string().contains("cannot be read"),
            "{text:?}: {error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn requests_keep_to_a_rate() {
    let options = KubeOptions::default().with_qps(10.0, 3);
    let (target, _) = target(options, in_turn(vec![found]));
    let begun = Instant::now();
    // Two for the kinds, one of the burst, then ten a second.
    for _ in 0..11 {
        target.get(&key()).await.unwrap();
    }
    assert_eq!(begun.elapsed().as_millis(), 1000);
}

#[tokio::test(start_paused = true)]
async fn requests_are_made_in_the_name_of_others() {
    let (target, log) = target(KubeOptions::default(), in_turn(vec![found]));
    let identity = Impersonation::service_account("shop", "deployer").with_groups(["crew"]);
    let other = target.impersonating(identity).unwrap();
    other.get(&key()).await.unwrap();
    let by_trait = target
        .impersonate("anna", &["a".into(), "b".into()])
        .unwrap();
    by_trait.get(&key()).await.unwrap();
    target.get(&key()).await.unwrap();
    let seen = log.to(WEB);
    assert_eq!(
        seen[0].header("impersonate-user"),
        Some("system:serviceaccount:shop:deployer")
    );
    assert_eq!(seen[0].header("impersonate-group"), Some("crew"));
    assert_eq!(seen[1].header("impersonate-user"), Some("anna"));
    assert_eq!(
        seen[1].headers.get_all("impersonate-group").iter().count(),
        2
    );
    assert_eq!(seen[2].header("impersonate-user"), None);
    // What kinds there are is asked once, in the name of who is logged in.
    assert_eq!(log.to("/api").len(), 1);
    assert_eq!(log.to("/api")[0].header("impersonate-user"), None);
}

#[tokio::test(start_paused = true)]
async fn warnings_are_handed_on() {
    let warned = || found().with_header("warning", r#"299 - "apps/v1beta1 is \"old\"""#);
    let told = Arc::new(Mutex::new(Vec::new()));
    let told_to = Arc::clone(&told);
    let options = KubeOptions::default().with_warnings(move |warning| {
        told_to.lock().unwrap().push(warning.clone());
    });
    let (target, _) = target(options, in_turn(vec![warned]));
    target.get(&key()).await.unwrap();
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].text, "apps/v1beta1 is \"old\"");
    assert!(told[0].attempt.contains("ConfigMap/shop/web"));
}
