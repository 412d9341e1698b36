//! Does one task on a file of YAML documents, some number of times:
//!
//! `yaml-peers input 425 > workloads.yaml`
//! `valgrind --tool=callgrind yaml-peers parse workloads.yaml 1`
//!
//! The instructions of `nothing` are what starting and reading the file cost. `yaml_serde` is the maintained fork of
//! `serde_yaml`, which is archived.

use std::time::Instant;

#[path = "../../../benches/manifest/input.rs"]
mod input;

use gitops_manifest::Value;
use gitops_manifest::yaml::{self, EmitOptions, ParseOptions, Profile};
use serde::Deserialize as _;

const TASKS: &str = "nothing, parse, kyaml, nodes, emit, json, serde-json, yaml-serde, hold, hold-from-json, hold-serde-json";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(task), Some(file)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: yaml-peers TASK FILE [TIMES], yaml-peers input APPS\ntasks: {TASKS}");
        std::process::exit(2);
    };
    if task == "input" {
        print!("{}", input::workloads(file.parse().expect("a number")));
        return;
    }
    let times: u32 = arguments
        .next()
        .map_or(1, |times| times.parse().expect("a number"));
    let text = std::fs::read_to_string(file).expect("the file can be read");
    let sigs = ParseOptions::default();
    let parsed = || yaml::parse(&text, &sigs).expect("it is YAML");
    let as_json = || -> Vec<String> { parsed().iter().map(Value::to_json).collect() };
    let mut checksum = 0;
    let start = Instant::now();
    for _ in 0..times {
        checksum += match task.as_str() {
            "nothing" => 0,
            "parse" => parsed().len(),
            "kyaml" => yaml::parse(&text, &ParseOptions::new(Profile::Kyaml))
                .expect("it is YAML")
                .len(),
            "nodes" => yaml::parse_nodes(&text, &sigs).expect("it is YAML").len(),
            "emit" => yaml::emit_all(&parsed(), &EmitOptions::default()).len(),
            "json" => as_json()
                .iter()
                .map(|json| usize::from(Value::from_json(json).is_ok()))
                .sum(),
            "serde-json" => as_json()
                .iter()
                .map(|json| usize::from(serde_json::from_str::<serde_json::Value>(json).is_ok()))
                .sum(),
            "yaml-serde" => yaml_serde::Deserializer::from_str(&text)
                .map(|document| serde_json::Value::deserialize(document).expect("it is YAML"))
                .filter(serde_json::Value::is_object)
                .count(),
            // For the memory that a tree takes: `valgrind --tool=dhat`, or the resident size.
            "hold" => {
                let values = parsed();
                let size = resident();
                eprintln!("{} documents, {size} kB resident", values.len());
                values.len()
            }
            "hold-from-json" => {
                let values: Vec<Value> = as_json()
                    .iter()
                    .filter_map(|json| Value::from_json(json).ok())
                    .collect();
                eprintln!("{} documents, {} kB resident", values.len(), resident());
                values.len()
            }
            "hold-serde-json" => {
                let values: Vec<serde_json::Value> =
                    parsed().iter().map(serde_json::Value::from).collect();
                let size = resident();
                eprintln!("{} documents, {size} kB resident", values.len());
                values.len()
            }
            other => panic!("{other} is none of {TASKS}"),
        };
    }
    let seconds = start.elapsed().as_secs_f64() / f64::from(times);
    let speed = text.len() as f64 / 1e6 / seconds;
    eprintln!(
        "{task}: {checksum}, {:.3} ms, {speed:.1} MB/s",
        seconds * 1e3
    );
}

/// Reads the resident size of this process in kB, where the system tells it.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|size| size.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or_default()
}
