//! Reads and follows everything in a cluster for as long as one says, and tells what that costs:
//! `follow KUBECONFIG [SECONDS [WRITES]]`. With a number of writes, so many ConfigMaps are applied in the namespace
//! `default`, twice each, and deleted.
#![allow(clippy::print_stdout, reason = "it is a program for the terminal")]

use std::alloc::System;
use std::error::Error;
use std::time::Duration;

use futures::StreamExt as _;
use gitops_core::{ApplyOptions, DeleteOptions, Propagation, Scope, Target as _, WatchEvent};
use gitops_kube::{Commands, KubeOptions, KubeTarget, kubeconfig_file};
use gitops_manifest::Object;
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn held(region: &Region<'_, System>) -> f64 {
    let stats = region.change();
    let bytes = stats.bytes_allocated as f64 - stats.bytes_deallocated as f64;
    (bytes + stats.bytes_reallocated as f64) / 1e6
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments
        .next()
        .ok_or("follow KUBECONFIG [SECONDS [WRITES]]")?;
    let seconds: u64 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let writes: usize = arguments.next().map_or(Ok(0), |text| text.parse())?;
    let config = kubeconfig_file(path.as_ref(), None, Commands::Refuse).await?;
    let target = KubeTarget::connect(config, KubeOptions::default())?;

    let region = Region::new(GLOBAL);
    let snapshot = target.snapshot(&Scope::all()).await?;
    println!(
        "{} objects: {:.2} MB held",
        snapshot.objects.len(),
        held(&region)
    );
    for (kind, reason) in &snapshot.unlisted {
        println!("  {kind} is not known: {reason}");
    }
    let mut watch = target.watch(&Scope::all(), &snapshot.version).await?;
    let writer = {
        let target = target.clone();
        async move {
            let options = ApplyOptions::server_side("follow");
            for i in 0..writes {
                let map = |x: &str| {
                    Object::try_from(json!({
                        "apiVersion": "v1", "kind": "ConfigMap", "data": {"x": x},
                        "metadata": {"name": format!("follow-{i}"), "namespace": "default"},
                    }))
                };
                let made = target.apply(&map("1")?, &options).await?.object;
                target.apply(&map("2")?, &options).await?;
                let delete = DeleteOptions::new(Propagation::Background);
                target.delete(&made.key(), &delete).await?;
            }
            Ok::<(), Box<dyn Error + Send + Sync>>(())
        }
    };
    let writer = tokio::spawn(writer);
    let mut events = 0;
    let follow = async {
        while let Some(event) = watch.next().await {
            if let WatchEvent::Unlisted(kind, reason) = event? {
                println!("{kind} can no longer be followed: {reason}");
            }
            events += 1;
        }
        Ok::<(), gitops_core::TargetError>(())
    };
    if let Ok(ended) = tokio::time::timeout(Duration::from_secs(seconds), follow).await {
        ended?;
    }
    if writer.is_finished() {
        writer.await?.map_err(|error| error.to_string())?;
    }
    println!("{events} events; {:.2} MB held", held(&region));
    Ok(())
}
