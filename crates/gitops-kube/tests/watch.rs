//! A watch of everything, of which each part finds its way back on its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::channel::mpsc::UnboundedSender;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use gitops_core::{Scope, Target as _, TargetError, WatchEvent};
use gitops_kube::KubeOptions;
use gitops_manifest::GroupKind;
use serde_json::{Value, json};

use crate::fake::{
    Log, Reply, Seen, event, group, groups, line, list, map, resource, target, usual_kinds,
};

const MAPS: &str = "/api/v1/configmaps";
const SECRETS: &str = "/api/v1/secrets";

type Events = BoxStream<'static, Result<WatchEvent, TargetError>>;
type Chunks = UnboundedSender<Result<bytes::Bytes, std::io::Error>>;

fn scope() -> Scope {
    Scope::all().with_kinds([
        GroupKind::new("", "ConfigMap"),
        GroupKind::new("", "Secret"),
    ])
}

/// What the server has for lists and watches of ConfigMaps, and the watches that are open.
#[derive(Default)]
struct Server {
    listed: Vec<Value>,
    version: u64,
    open: Vec<Chunks>,
    /// What the next watches are answered with, before one is open.
    refusals: Vec<Reply>,
    /// What the next lists are answered with.
    unlisted: Vec<Reply>,
}

type Shared = Arc<Mutex<Server>>;

fn answer(server: &Shared, seen: &Seen) -> Reply {
    if let Some(reply) = usual_kinds(seen) {
        return reply;
    }
    let mut server = server.lock().unwrap();
    match (seen.path.as_str(), seen.is_watch()) {
        (MAPS, false) => match server.unlisted.pop() {
            Some(reply) => reply,
            None => list(server.version, &server.listed, ""),
        },
        (MAPS, true) => match server.refusals.pop() {
            Some(reply) => reply,
            None => {
                let (chunks, reply) = Reply::stream();
                server.open.push(chunks);
                reply
            }
        },
        (_, true) => Reply::silence(),
        _ => list(9, &[], ""),
    }
}

fn server(listed: &[Value], version: u64) -> Shared {
    Arc::new(Mutex::new(Server {
        listed: listed.to_vec(),
        version,
        ..Server::default()
    }))
}

async fn begin(server: &Shared) -> (gitops_kube::KubeTarget, Log, Events) {
    let answers = Arc::clone(server);
    let (target, log) = target(KubeOptions::default(), move |seen| answer(&answers, seen));
    let snapshot = target.snapshot(&scope()).await.unwrap();
    let events = target.watch(&scope(), &snapshot.version).await.unwrap();
    (target, log, events)
}

/// Waits until a watch is open, and says something there.
async fn say(server: &Shared, lines: &[Value]) {
    let chunks = loop {
        if let Some(chunks) = server.lock().unwrap().open.last() {
            break chunks.clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    for text in lines {
        chunks.unbounded_send(line(text)).unwrap();
    }
}

fn hang_up(server: &Shared) {
    server.lock().unwrap().open.clear();
}

/// Tells the next event in short.
async fn next(events: &mut Events) -> String {
    let event = tokio::time::timeout(Duration::from_secs(600), events.next()).await;
    match event.expect("an event comes").expect("a watch goes on") {
        Ok(WatchEvent::Applied(object)) => {
            format!("+{}@{}", object.name(), object.resource_version())
        }
        Ok(WatchEvent::Deleted(object)) => {
            format!("-{}@{}", object.name(), object.resource_version())
        }
        Ok(WatchEvent::Unlisted(kind, reason)) => format!("?{kind}: {reason}"),
        Ok(WatchEvent::Listed(kind)) => format!("!{kind}"),
        Ok(WatchEvent::Bookmark(_)) => "bookmark".to_owned(),
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("error: {error}"),
    }
}

fn watches(log: &Log, path: &str) -> Vec<String> {
    let seen = log.to(path).into_iter().filter(Seen::is_watch);
    seen.map(|seen| seen.parameter("resourceVersion").unwrap_or("").to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_gone_on_with() {
    let server = server(&[map("a", 1, "")], 10);
    let (_target, log, mut events) = begin(&server).await;
    say(
        &server,
        &[
            event("MODIFIED", &map("a", 11, "")),
            event("ADDED", &map("b", 12, "")),
        ],
    )
    .await;
    assert_eq!(next(&mut events).await, "+a@11");
    assert_eq!(next(&mut events).await, "+b@12");
    // In the middle of a line.
    {
        let open = server.lock().unwrap().open.pop().unwrap();
        open.unbounded_send(Ok(r#"{"type":"ADDED","obj"#.into()))
            .unwrap();
        open.unbounded_send(Err(std::io::ErrorKind::ConnectionReset.into()))
            .unwrap();
    }
    say(&server, &[event("DELETED", &map("a", 13, ""))]).await;
    assert_eq!(next(&mut events).await, "-a@13");
    // A bookmark tells how far the server is.
    say(
        &server,
        &[event(
            "BOOKMARK",
            &json!({"metadata": {"resourceVersion": "20"}}),
        )],
    )
    .await;
    assert!(events.next().now_or_never().is_none());
    tokio::time::sleep(Duration::from_secs(1)).await;
    hang_up(&server);
    say(&server, &[event("ADDED", &map("c", 21, ""))]).await;
    assert_eq!(next(&mut events).await, "+c@21");
    assert_eq!(watches(&log, MAPS), ["10", "12", "20"]);
    assert_eq!(watches(&log, SECRETS), ["9"], "the others do not notice");
}

#[tokio::test(start_paused = true)]
async fn a_history_that_is_gone_is_made_up_for_by_a_list() {
    let server = server(&[map("a", 1, ""), map("b", 2, ""), map("c", 3, "")], 10);
    let (_target, log, mut events) = begin(&server).await;
    // In both ways in which servers say it.
    for (i, too_old) in [
        Reply::status(410, "Expired", "too old resource version: 10 (100)"),
        Reply::lines(&[event(
            "ERROR",
            &json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}),
        )]),
    ]
    .into_iter()
    .enumerate()
    {
        say(&server, &[]).await;
        {
            let mut server = server.lock().unwrap();
            server.refusals.push(too_old);
            server.version += 100;
            let mut anew = map("c", 40 + i as u64, "");
            anew["metadata"]["uid"] = format!("another {i}").into();
            server.listed = vec![map("a", 1, ""), anew, map("d", 50 + i as u64, "")];
            server.open.clear();
        }
        let mut told = Vec::new();
        for _ in 0..if i == 0 { 4 } else { 3 } {
            told.push(next(&mut events).await);
        }
        told.sort();
        if i == 0 {
            assert_eq!(told, ["+c@40", "+d@50", "-b@2", "-c@3"]);
        } else {
            assert_eq!(told, ["+c@41", "+d@51", "-c@40"]);
        }
    }
    say(&server, &[event("ADDED", &map("e", 300, ""))]).await;
    assert_eq!(next(&mut events).await, "+e@300");
    assert_eq!(watches(&log, MAPS), ["10", "10", "110", "110", "210"]);
    assert_eq!(watches(&log, SECRETS), ["9"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_and_cannot_be_told_ends_the_watch() {
    let server = server(&[], 10);
    server.lock().unwrap().refusals.push(Reply::status(
        410,
        "Expired",
        "too old resource version: 5 (100)",
    ));
    let answers = Arc::clone(&server);
    let (target, _) = target(KubeOptions::default(), move |seen| answer(&answers, seen));
    let mut events = target.watch(&scope(), "5").await.unwrap();
    let error = events.next().await.unwrap().unwrap_err();
    assert!(
        matches!(&error, TargetError::Expired { version } if version == "5"),
        "{error:?}"
    );
    assert!(events.next().await.is_none());
    for wrong in ["", "x", "1.2", "-4"] {
        let answer = target.watch(&scope(), wrong).await.map(|_| ());
        assert!(
            matches!(answer, Err(TargetError::Expired { .. })),
            "{wrong}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_may_not_be_followed_is_told_and_tried_again() {
    let server = server(&[], 10);
    let (_target, _log, mut events) = begin(&server).await;
    say(&server, &[]).await;
    let refused = || Reply::status(403, "Forbidden", "configmaps is forbidden");
    server
        .lock()
        .unwrap()
        .refusals
        .extend([refused(), refused()]);
    hang_up(&server);
    assert_eq!(
        next(&mut events).await,
        "?ConfigMap: configmaps is forbidden"
    );
    assert_eq!(next(&mut events).await, "!ConfigMap");
    // What passes soon is not told.
    let busy = || Reply::status(503, "ServiceUnavailable", "starting");
    server.lock().unwrap().refusals.extend([busy(), busy()]);
    hang_up(&server);
    say(&server, &[event("ADDED", &map("a", 11, ""))]).await;
    assert_eq!(next(&mut events).await, "+a@11");
    // What does not, is.
    server
        .lock()
        .unwrap()
        .refusals
        .extend((0..10).map(|_| busy()));
    hang_up(&server);
    assert_eq!(next(&mut events).await, "?ConfigMap: starting");
    assert_eq!(next(&mut events).await, "!ConfigMap");
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_could_not_be_listed_comes_with_the_watch() {
    let server = server(&[map("a", 1, "")], 10);
    server.lock().unwrap().unlisted.push(Reply::status(
        403,
        "Forbidden",
        "configmaps is forbidden",
    ));
    let answers = Arc::clone(&server);
    let (target, _) = target(KubeOptions::default(), move |seen| answer(&answers, seen));
    let snapshot = target.snapshot(&scope()).await.unwrap();
    assert!(snapshot.objects.is_empty());
    let maps = GroupKind::new("", "ConfigMap");
    assert_eq!(
        snapshot.unlisted,
        [(maps, "configmaps is forbidden".to_owned())]
    );
    let mut events = target.watch(&scope(), &snapshot.version).await.unwrap();
    assert_eq!(next(&mut events).await, "+a@1");
    assert_eq!(next(&mut events).await, "!ConfigMap");
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_not_waited_for_for_ever() {
    let server = server(&[], 10);
    let (_target, log, mut events) = begin(&server).await;
    say(&server, &[]).await;
    let open = server.lock().unwrap().open.clone();
    tokio::time::sleep(KubeOptions::default().watch_silence * 3).await;
    say(&server, &[event("ADDED", &map("a", 11, ""))]).await;
    assert_eq!(next(&mut events).await, "+a@11");
    assert!(watches(&log, MAPS).len() > 2);
    drop(open);
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_where_another_was_left() {
    let server = server(&[map("a", 1, "")], 10);
    let (target, log, mut events) = begin(&server).await;
    say(&server, &[event("ADDED", &map("b", 12, ""))]).await;
    assert_eq!(next(&mut events).await, "+b@12");
    // The version of all is told from time to time.
    tokio::time::sleep(Duration::from_secs(61)).await;
    say(
        &server,
        &[event(
            "BOOKMARK",
            &json!({"metadata": {"resourceVersion": "30"}}),
        )],
    )
    .await;
    let version = loop {
        if let WatchEvent::Bookmark(version) = events.next().await.unwrap().unwrap() {
            break version;
        }
    };
    drop(events);
    let before = watches(&log, MAPS).len();
    let mut events = target.watch(&scope(), &version).await.unwrap();
    server.lock().unwrap().open.clear();
    say(&server, &[event("DELETED", &map("a", 31, ""))]).await;
    assert_eq!(next(&mut events).await, "-a@31");
    assert_eq!(
        watches(&log, MAPS)[before],
        "30",
        "each kind goes on from where it was"
    );
    assert_eq!(watches(&log, SECRETS).last().map(String::as_str), Some("9"));
    // From a state that has gone by, everything goes on from the oldest version.
    drop(events);
    let before = watches(&log, MAPS).len();
    let _events = target.watch(&scope(), &version).await.unwrap();
    server.lock().unwrap().open.clear();
    say(&server, &[]).await;
    assert_eq!(watches(&log, MAPS)[before], "9");
}

#[tokio::test(start_paused = true)]
async fn kinds_come_and_go_while_everything_is_watched() {
    let served = Arc::new(Mutex::new(false));
    let is_served = Arc::clone(&served);
    let open: Arc<Mutex<Option<Chunks>>> = Arc::default();
    let definitions = Arc::clone(&open);
    let (target, _) = target(KubeOptions::default(), move |seen| {
        let served = *is_served.lock().unwrap();
        match (seen.path.as_str(), seen.is_watch()) {
            ("/apis", _) => {
                let definitions = resource(
                    "customresourcedefinitions",
                    "CustomResourceDefinition",
                    "Cluster",
                );
                let mut all = vec![group("apiextensions.k8s.io", "v1", &[definitions])];
                if served {
                    all.push(group(
                        "example.com",
                        "v1",
                        &[resource("probes", "Probe", "Namespaced")],
                    ));
                }
                groups(&all)
            }
            ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", true) => {
                let (chunks, reply) = Reply::stream();
                *definitions.lock().unwrap() = Some(chunks);
                reply
            }
            ("/apis/example.com/v1/probes", false) if served => list(
                20,
                &[json!({"apiVersion": "example.com/v1", "kind": "Probe",
                    "metadata": {"name": "p", "namespace": "shop", "uid": "u", "resourceVersion": "15"}})],
                "",
            ),
            ("/apis/example.com/v1/probes", _) if !served => Reply::no_address(),
            (_, true) => Reply::silence(),
            (path, false) if path.starts_with("/api") && path.len() > 5 => list(9, &[], ""),
            _ => usual_kinds(seen).unwrap(),
        }
    });
    let snapshot = target.snapshot(&Scope::all()).await.unwrap();
    let mut events = target
        .watch(&Scope::all(), &snapshot.version)
        .await
        .unwrap();
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "probes.example.com", "uid": "d", "resourceVersion": "14"},
        "spec": {"group": "example.com", "names": {"kind": "Probe", "plural": "probes"},
            "versions": [{"name": "v1", "served": true}]},
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
    });
    let say = async |what: &Value| {
        while open.lock().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let chunks = open.lock().unwrap().clone().unwrap();
        chunks.unbounded_send(line(what)).unwrap();
    };
    *served.lock().unwrap() = true;
    say(&event("ADDED", &definition)).await;
    assert_eq!(next(&mut events).await, "+probes.example.com@14");
    assert_eq!(next(&mut events).await, "+p@15");
    *served.lock().unwrap() = false;
    say(&event("DELETED", &definition)).await;
    assert_eq!(next(&mut events).await, "-probes.example.com@14");
    assert_eq!(next(&mut events).await, "-p@15");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_not_read_for() {
    let server = server(&[], 10);
    let (_target, _log, mut events) = begin(&server).await;
    let many: Vec<Value> = (0..2000)
        .map(|i| event("ADDED", &map(&format!("m{i}"), 11 + i, "")))
        .collect();
    say(&server, &many).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // All that waits is taken at once, nothing is lost.
    let mut taken = 0;
    while let Some(event) = events.next().now_or_never() {
        assert!(matches!(event, Some(Ok(WatchEvent::Applied(_)))));
        taken += 1;
    }
    assert_eq!(taken, 512);
    for _ in taken..2000 {
        next(&mut events).await;
    }
}
