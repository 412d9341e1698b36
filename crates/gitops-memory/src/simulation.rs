//! What the simulated controllers do, and how long they take.

use std::time::Duration;

/// What becomes of the containers of an image, or of the volumes of a storage class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Behaviour {
    /// Starts and is ready; in a Job it ends well.
    Run,
    /// Starts and is ready, or ends well, only after this long.
    Slow(Duration),
    /// The image cannot be pulled: `ErrImagePull`, then `ImagePullBackOff`.
    PullFails,
    /// Ends at once with exit code 1, again and again: `CrashLoopBackOff`.
    Crash,
    /// Starts and is never ready; in a Job it never ends.
    Hang,
    /// Runs, then ends with this exit code.
    Exit(i32),
    /// No node has room for it.
    Unschedulable,
}

/// How the controllers of a [`MemoryTarget`](crate::MemoryTarget) behave: what they do about an image, and
/// after which time.
///
/// The image decides: the first rule whose pattern matches it holds, and where none does the container runs.
/// In a pattern `*` stands for any text. The rules that are there from the beginning go by the end of the tag,
/// so that a test or a demonstration needs nothing but another tag:
///
/// | tag ends in | behaviour |
/// | --- | --- |
/// | `bad`, `missing` | [`PullFails`](Behaviour::PullFails) |
/// | `crash` | [`Crash`](Behaviour::Crash) |
/// | `hang` | [`Hang`](Behaviour::Hang) |
/// | `fail` | [`Exit(1)`](Behaviour::Exit) |
/// | `slow` | [`Slow`](Behaviour::Slow) by 60 seconds |
/// | `unschedulable` | [`Unschedulable`](Behaviour::Unschedulable) |
///
/// A volume claim is judged by the name of its storage class in the same way, an object that gets an address
/// (a Service of type `LoadBalancer`, an Ingress) by its class: whatever does not `Run` stays without.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Simulation {
    /// Whether there are controllers of workloads at all. Without them objects stay as they were written;
    /// garbage collection, namespaces and definitions of kinds work in any case.
    pub workloads: bool,
    /// How long a controller takes to notice a change.
    pub reaction: Duration,
    /// How long a pod takes from its creation until its containers run.
    pub start: Duration,
    /// How long the containers of a Job run.
    pub run: Duration,
    /// How long a pod takes to stop.
    pub stop: Duration,
    /// How long it takes to provision a volume or an address.
    pub provision: Duration,
    /// How many nodes there are, as long as there is no Node object; then those count.
    pub nodes: u32,
    rules: Vec<(String, Behaviour)>,
}

impl Default for Simulation {
    fn default() -> Self {
        let by_tag = [
            ("bad", Behaviour::PullFails),
            ("missing", Behaviour::PullFails),
            ("crash", Behaviour::Crash),
            ("hang", Behaviour::Hang),
            ("fail", Behaviour::Exit(1)),
            ("slow", Behaviour::Slow(Duration::from_secs(60))),
            ("unschedulable", Behaviour::Unschedulable),
        ];
        Self {
            workloads: true,
            reaction: Duration::from_millis(10),
            start: Duration::from_secs(2),
            run: Duration::from_secs(3),
            stop: Duration::from_secs(1),
            provision: Duration::from_secs(1),
            nodes: 1,
            rules: by_tag
                .into_iter()
                .map(|(tag, behaviour)| (format!("*:*{tag}"), behaviour))
                .collect(),
        }
    }
}

impl Simulation {
    /// Simulates no workloads: objects stay as they were written.
    #[must_use]
    pub fn none() -> Self {
        Self {
            workloads: false,
            ..Self::default()
        }
    }

    /// Adds a rule in front of those that are there.
    #[must_use]
    pub fn with_rule(mut self, pattern: impl Into<String>, behaviour: Behaviour) -> Self {
        self.add_rule(pattern, behaviour);
        self
    }

    /// Adds a rule in front of those that are there.
    pub fn add_rule(&mut self, pattern: impl Into<String>, behaviour: Behaviour) {
        self.rules.insert(0, (pattern.into(), behaviour));
    }

    /// Tells how an image, a storage class or a class of load balancers behaves.
    #[must_use]
    pub fn behaviour(&self, name: &str) -> Behaviour {
        let rule = self
            .rules
            .iter()
            .find(|(pattern, _)| matches(pattern, name));
        rule.map_or(Behaviour::Run, |(_, behaviour)| *behaviour)
    }
}

/// Whether a text matches a pattern in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(mut part) = parts.next() else {
        return rest.is_empty();
    };
    for next in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
        part = next;
    }
    rest.ends_with(part)
}
