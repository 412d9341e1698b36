//! Measures comparisons beside the programs that Argo CD and kubectl are made of, in one run, and prints both with their ratio.
//!
//! ```text
//! cargo run --release -p gitops-benches --bin diff-peers -- [--objects FOLDER] [--long] [--ours]
//! ```
//!
//! `--objects` names a folder of inputs; what it has not is made. `--long` measures 10,000 objects too, `--ours` leaves out the peers,
//! which need Go. Times are CPU time, medians, one thread; what is counted is from parsed objects to the verdict with reasons. The share
//! is that of the allocated bytes.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

use std::alloc::System;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use gitops_benches::objects::{self, Inputs};
use gitops_diff::compare::{CompareOptions, Strategy, compare};
use gitops_diff::ignore::IgnoreRules;
use gitops_diff::schema::Schemas;
use gitops_diff::strategic::{self, ThreeWayOptions};
use gitops_diff::structured::{Duplicates, Typed};
use gitops_manifest::Value;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[derive(Clone, Copy)]
struct Cost {
    nanos: f64,
    bytes: f64,
    allocations: f64,
}

/// CPU time of this thread in nanoseconds; wall time where the system does not tell.
fn cpu(start: Instant) -> f64 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or_else(|| start.elapsed().as_nanos() as f64)
}

fn measure(mut run: impl FnMut()) -> Cost {
    let start = Instant::now();
    run();
    let before = ALLOCATOR.stats();
    run();
    let after = ALLOCATOR.stats();
    let mut batch = 1_u32;
    let mut times = Vec::new();
    let begin = cpu(start);
    while (cpu(start) - begin < 1e9 || times.len() < 5) && times.len() < 2_000 {
        let from = cpu(start);
        for _ in 0..batch {
            run();
        }
        let took = cpu(start) - from;
        // The clock of a thread moves on when the scheduler looks at it, every few milliseconds.
        if took < 6e7 && batch < 1 << 20 {
            batch *= 2;
            times.clear();
        } else {
            times.push(took / f64::from(batch));
        }
    }
    times.sort_by(f64::total_cmp);
    Cost {
        nanos: times[times.len() / 2],
        bytes: (after.bytes_allocated - before.bytes_allocated) as f64,
        allocations: (after.allocations - before.allocations) as f64,
    }
}

fn ours(folder: &Path, long: bool) -> Vec<(String, Cost)> {
    let options = CompareOptions::default().ignore(IgnoreRules::none());
    let mut rows = Vec::new();
    for name in objects::NAMED {
        let desired = objects::object(folder, &format!("{name}.desired.json"));
        for (row, file) in [("three-way", "live"), ("three-way-drifted", "live-drifted")] {
            let live = objects::object(folder, &format!("{name}.{file}.json"));
            let cost = measure(|| drop(compare(Some(&desired), Some(&live), &options)));
            rows.push((format!("{row}/{name}"), cost));
        }
    }
    let desired = objects::object(folder, "deployment.desired.json");
    let ssa = objects::object(folder, "deployment.live-ssa.json");
    let structured = options.clone().strategy(Strategy::Structured);
    rows.push((
        "structured/deployment".to_owned(),
        measure(|| drop(compare(Some(&desired), Some(&ssa), &structured))),
    ));
    let live = objects::object(folder, "deployment.live-drifted.json");
    let last = Value::from_json(
        live.annotation(gitops_diff::compare::LAST_APPLIED)
            .unwrap_or_default(),
    )
    .unwrap_or_default();
    let ty = Schemas::builtin()
        .lookup("apps", "v1", "Deployment")
        .expect("the kind is built in");
    let (desired_value, live_value) = (desired.to_value(), live.to_value());
    let overwrite = ThreeWayOptions::default().overwrite(true);
    rows.push((
        "strategic-patch/deployment".to_owned(),
        measure(|| {
            drop(strategic::create_three_way(
                &last,
                &desired_value,
                &live_value,
                ty,
                &overwrite,
            ));
        }),
    ));
    let typed = |value| Typed::new(value, ty, Duplicates::Allow).expect("the object fits its type");
    let (config, now) = (typed(desired_value), typed(ssa.to_value()));
    rows.push((
        "typed-merge/deployment".to_owned(),
        measure(|| drop(now.merge(&config))),
    ));
    rows.push((
        "typed-compare/deployment".to_owned(),
        measure(|| drop(now.compare(&config))),
    ));
    for count in [1_000, 10_000].into_iter().take(if long { 2 } else { 1 }) {
        let desired = objects::objects(folder, "desired.json", count);
        let live = objects::objects(folder, "live.json", count);
        let cost = measure(|| {
            for (desired, live) in desired.iter().zip(&live) {
                drop(compare(Some(desired), Some(live), &options));
            }
        });
        rows.push((format!("diff-array/{count}"), cost));
    }
    rows
}

fn peers(folder: &Path, long: bool) -> Result<BTreeMap<String, Cost>, String> {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/diff");
    let mut command = Command::new("go");
    command
        .current_dir(program)
        .args(["run", ".", "-objects"])
        .arg(folder);
    if long {
        command.arg("-long");
    }
    let output = command
        .output()
        .map_err(|error| format!("cannot run go: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let mut rows = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let row: serde_json::Value =
            serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
        let number = |field: &str| row[field].as_f64().unwrap_or_default();
        let cost = Cost {
            nanos: number("ns"),
            bytes: number("bytes"),
            allocations: number("allocs"),
        };
        rows.insert(row["row"].as_str().unwrap_or_default().to_owned(), cost);
    }
    Ok(rows)
}

fn time(nanos: f64) -> String {
    match nanos {
        n if n < 1e3 => format!("{n:.0} ns"),
        n if n < 1e6 => format!("{:.1} µs", n / 1e3),
        n if n < 1e9 => format!("{:.2} ms", n / 1e6),
        n => format!("{:.2} s", n / 1e9),
    }
}

fn size(bytes: f64) -> String {
    match bytes {
        b if b < 1024.0 => format!("{b:.0} B"),
        b if b < 1024.0 * 1024.0 => format!("{:.1} KiB", b / 1024.0),
        b => format!("{:.1} MiB", b / 1024.0 / 1024.0),
    }
}

fn main() {
    let mut folder = None;
    let (mut long, mut alone) = (false, false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--objects" => folder = args.next().map(PathBuf::from),
            "--long" => long = true,
            "--ours" => alone = true,
            other => eprintln!("{other} is not an option; see the head of {}", file!()),
        }
    }
    let inputs = Inputs::find(folder);
    let folder = inputs.folder().canonicalize().expect("it is there");
    let ours = ours(&folder, long);
    let peers = if alone {
        BTreeMap::new()
    } else {
        peers(&folder, long).unwrap_or_else(|problem| {
            eprintln!("without peers: {problem}");
            BTreeMap::new()
        })
    };
    println!(
        "| row | ours | peer | times faster | bytes ours | bytes peer | share | allocations ours | peer |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    let array = |count: u32| {
        let name = format!("diff-array/{count}");
        ours.iter()
            .find(|(row, _)| *row == name)
            .map(|(_, cost)| cost.nanos)
    };
    let growth = array(10_000)
        .zip(array(1_000))
        .map(|(many, few)| many / few);
    for (row, own) in ours {
        match peers.get(&row) {
            Some(peer) => println!(
                "| {row} | {} | {} | {:.0} | {} | {} | {:.1} % | {} | {} |",
                time(own.nanos),
                time(peer.nanos),
                peer.nanos / own.nanos,
                size(own.bytes),
                size(peer.bytes),
                own.bytes / peer.bytes * 100.0,
                own.allocations,
                peer.allocations,
            ),
            None => println!(
                "| {row} | {} | | | {} | | | {} | |",
                time(own.nanos),
                size(own.bytes),
                own.allocations
            ),
        }
    }
    if let Some(growth) = growth {
        println!("\n10,000 objects cost {growth:.1} times 1,000.");
    }
}
