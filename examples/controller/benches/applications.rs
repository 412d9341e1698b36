//! Many Applications of one ConfigMap each from one repository, on a real API server: processor time and memory of the
//! controller, how long it takes, what idling costs, and how fast a commit arrives.
//!
//! `cargo bench -p gitops-controller --bench applications -- 300 1000`. The numbers are of the controller's process
//! alone; the processor time of the API server stands beside them. `--program PATH` measures another build of it.
#![allow(clippy::print_stdout, reason = "it prints what it measures")]
#![allow(clippy::disallowed_methods, reason = "time is measured here")]

#[path = "../tests/process.rs"]
mod process;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use gitops::application::definitions;
use gitops::kube::{Commands, KubeOptions, KubeTarget, kubeconfig};
use gitops::manifest::{GroupKind, Object, ObjectKey, Value};
use gitops::{ApplyMode, ApplyOptions, Scope, Target};
use process::{Process, Repository, application, usage};
use serde_json::json;
use testbed::Testbed;

const NAMESPACE: &str = "shop";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let counts: Vec<usize> = arguments
        .iter()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let given = arguments.iter().position(|a| a == "--program");
    let program = match given.and_then(|at| arguments.get(at + 1)) {
        Some(program) => Path::new(program),
        None => Path::new(env!("CARGO_BIN_EXE_controller")),
    };
    let counts = if counts.is_empty() {
        vec![300, 1000]
    } else {
        counts
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let mut costs = Vec::new();
        for count in counts {
            match measure(count, program).await {
                Some(cost) => costs.push((count, cost)),
                None => return,
            }
        }
        if let [(few, cheap), .., (many, dear)] = costs[..] {
            println!(
                "{many} applications cost {:.2} times what {few} cost",
                dear / cheap
            );
        }
    });
}

async fn measure(count: usize, program: &Path) -> Option<f64> {
    let testbed = Testbed::start().await?;
    let server = || testbed.api_server_id().map_or(0.0, |id| usage(id).0);
    let config = kubeconfig(testbed.kubeconfig(), None, Commands::Refuse)
        .await
        .expect("access");
    let target: Arc<dyn Target> =
        Arc::new(KubeTarget::connect(config, KubeOptions::default()).expect("a client"));
    let options = ApplyOptions::server_side("bench");
    for definition in definitions() {
        target
            .apply(&definition, &options)
            .await
            .expect("a definition");
    }
    for name in ["argocd", NAMESPACE] {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let object = Object::try_from(object).expect("an object");
        target.apply(&object, &options).await.expect("a namespace");
    }
    let repository = Repository::new(count);
    let data = tempfile::tempdir().expect("a folder");
    let process = Process::start(program, testbed.kubeconfig_path(), data.path(), &[]);
    while !process.is_ready() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (started, base) = process.usage();
    println!("== {count} applications");
    println!("start: {started:.2} s of processor time, {base:.0} MB");
    let server_before = server();

    let begin = Instant::now();
    let create = ApplyOptions::server_side("bench").with_mode(ApplyMode::Create);
    stream::iter(0..count)
        .for_each_concurrent(8, |number| {
            let object = application(number, &repository, NAMESPACE);
            let (target, create) = (&target, &create);
            async move {
                let object = Object::try_from(object).expect("an object");
                while target.apply(&object, create).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        })
        .await;
    let created = begin.elapsed();
    let scope = Scope::all().with_kinds([GroupKind::new("argoproj.io", "Application")]);
    loop {
        let snapshot = target.snapshot(&scope).await.expect("a list");
        let good = snapshot
            .objects
            .iter()
            .filter(|object| is_good(object))
            .count();
        if good == count {
            break;
        }
        if begin.elapsed() > Duration::from_secs(600) {
            println!("only {good} of {count} came to rest");
            return None;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let all = begin.elapsed();
    let (used, peak) = process.usage();
    println!(
        "all Synced and Healthy: {:.1} s, {:.1} s after the last was created; {:.2} s of processor time, {peak:.0} MB at most",
        all.as_secs_f64(),
        (all - created).as_secs_f64(),
        used - started,
    );
    println!(
        "API server meanwhile: {:.1} s of processor time",
        server() - server_before
    );

    let server_before = server();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (before, _) = process.usage();
    let idle = Duration::from_secs(30);
    tokio::time::sleep(idle).await;
    let (after, _) = process.usage();
    println!(
        "idle: {:.2}% of a core; API server {:.1}%",
        (after - before) / idle.as_secs_f64() * 100.0,
        (server() - server_before) / (idle.as_secs_f64() + 5.0) * 100.0,
    );

    let mut latencies = Vec::new();
    for round in 0..5 {
        let (number, value) = (round * 7 % count, format!("round-{round}"));
        repository.write(number, &value);
        repository.commit();
        let sent = Instant::now();
        process
            .webhook(&repository.push(number))
            .expect("it is taken");
        let key = ObjectKey::new("", "ConfigMap", NAMESPACE, format!("config-{number}"));
        loop {
            let config = target.get(&key).await.expect("an answer");
            let have = config
                .as_ref()
                .and_then(|c| c.at(&["data", "key"]))
                .and_then(Value::as_str);
            if have == Some(&*value) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        latencies.push(sent.elapsed());
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    latencies.sort();
    println!(
        "webhook to cluster: {:.0} ms in the middle, {:.0} ms at worst",
        latencies[latencies.len() / 2].as_secs_f64() * 1000.0,
        latencies[latencies.len() - 1].as_secs_f64() * 1000.0,
    );
    let (total, peak) = process.usage();
    println!("at the end: {total:.2} s of processor time, {peak:.0} MB at most");
    process.stop();
    Some(used - started)
}

fn is_good(object: &Object) -> bool {
    let text = |path: &[&str]| object.at(path).and_then(Value::as_str).unwrap_or_default();
    text(&["status", "sync", "status"]) == "Synced"
        && text(&["status", "health", "status"]) == "Healthy"
}
