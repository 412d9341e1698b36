//! Looks for inputs on which this crate and the programs that it takes after disagree.
//!
//! ```text
//! (cd benches/peers/diff && go build -o /tmp/peer .)
//! cargo run -p gitops-diff --example hunt -- /tmp/peer [--runs N] [--seed N] [--only OP] [--show N] [--ask FILE]
//! ```
//!
//! Random objects of random kinds, and random changes of them, are put as questions to both sides: patches, typed values, writes of
//! several managers, comparisons, normal forms, jq paths. Where the answers differ, the question is made as small as it
//! can be and printed. The peer is started with `-oracle` and answers line by line. `--ask` puts the questions of a file, one a line.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]
// `TypeRef::deduced` as a path would ask for types that live for ever.
#![allow(clippy::redundant_closure)]

mod jq;
mod ours;
mod questions;
mod random;
mod shrink;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use gitops_manifest::Value;
use random::Random;

struct Peer {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(program: &str) -> std::io::Result<Self> {
        let mut child = Command::new(program)
            .arg("-oracle")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let ask = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Ok(Self {
            child,
            ask,
            answers,
        })
    }

    fn answer(&mut self, question: &Value) -> Value {
        writeln!(self.ask, "{}", question.to_json()).expect("the peer reads");
        self.ask.flush().expect("the peer reads");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the peer answers");
        Value::from_json(&line).unwrap_or_else(|error| panic!("{error} in {line} to {question}"))
    }
}

/// What differs in the answers; `None` where they agree.
fn disagreement(peer: &mut Peer, question: &Value) -> Option<(Value, Value)> {
    let theirs = peer.answer(question);
    let ours = match std::panic::catch_unwind(|| ours::answer(question)) {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Value::Object(gitops_manifest::Map::from([("error", error)])),
        Err(_) => return Some(("a panic".into(), theirs)),
    };
    (!questions::agree(question, &ours, &theirs)).then_some((ours, theirs))
}

fn main() {
    let (mut program, mut runs, mut seed, mut only, mut show, mut ask) =
        (None, 1000_u64, 1_u64, None, 3_usize, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|text| text.parse().ok()).unwrap_or(1);
        match arg.as_str() {
            "--runs" => runs = number(),
            "--seed" => seed = number(),
            "--show" => show = number() as usize,
            "--only" => only = args.next(),
            "--ask" => ask = args.next(),
            _ => program = Some(arg),
        }
    }
    let Some(program) = program else {
        eprintln!(
            "the program of the peer is not given: see the head of {}",
            file!()
        );
        return;
    };
    let mut peer = match Peer::start(&program) {
        Ok(peer) => peer,
        Err(error) => {
            eprintln!("skipped, {program} cannot be started: {error}");
            return;
        }
    };
    if let Some(file) = ask {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        for line in text.lines() {
            let question = Value::from_json(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let ours = ours::answer(&question).unwrap_or_else(Value::from);
            let theirs = peer.answer(&question);
            println!("ours   {ours}\ntheirs {theirs}\n");
        }
        return;
    }
    // op: asked, of these answered with a value by the peer, disagreements.
    let mut tally: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for op in questions::OPS {
        if only
            .as_ref()
            .is_some_and(|only| !op.starts_with(only.as_str()))
        {
            continue;
        }
        for run in 0..runs {
            let mut random = Random::new(seed.wrapping_mul(1_000_003).wrapping_add(run));
            let question = questions::make(op, &mut random);
            let count = tally.entry(op).or_default();
            count.0 += 1;
            let Some((ours, theirs)) = disagreement(&mut peer, &question) else {
                continue;
            };
            count.2 += 1;
            if count.2 > show {
                continue;
            }
            // It stays the same kind of disagreement: an error on the same side, or on none.
            let kind = |ours: &Value, theirs: &Value| {
                (
                    ours.get("error").is_some(),
                    theirs.get("error").is_some() || theirs.get("panic").is_some(),
                )
            };
            let want = kind(&ours, &theirs);
            let small = shrink::shrink(&question, |smaller| {
                questions::same_objects(&question, smaller)
                    && disagreement(&mut peer, smaller)
                        .is_some_and(|(ours, theirs)| kind(&ours, &theirs) == want)
            });
            if let Some((ours, theirs)) = disagreement(&mut peer, &small) {
                println!(
                    "== {op}, run {run}\n   {}\n   ours   {ours}\n   theirs {theirs}",
                    brief(&small)
                );
            }
        }
        let (asked, _, differ) = tally[op];
        println!("{op}: {asked} asked, {differ} disagreements");
    }
    drop(peer.ask);
    let _ = peer.child.wait();
}

fn brief(question: &Value) -> String {
    let mut question = question.clone();
    if question.at(&["schema", "types"]).is_some() && question["type"] == Value::from("all") {
        question
            .as_object_mut()
            .expect("a question is a map")
            .remove("schema");
    }
    question.to_json()
}
