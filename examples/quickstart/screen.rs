//! What the demonstration prints.

use std::io::{IsTerminal, stdout};
use std::sync::Mutex;

use gitops::application::{OperationPhase, SyncStatusCode};
use gitops::health::HealthStatus;
use gitops::{Event, EventKind, Observer, Timestamp};

/// Prints events as they happen.
pub(crate) struct Screen {
    colour: bool,
    begin: Timestamp,
    last: Mutex<String>,
}

impl Screen {
    pub(crate) fn new(begin: Timestamp) -> Self {
        Self {
            colour: stdout().is_terminal(),
            begin,
            last: Mutex::default(),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn title(&self, text: &str) {
        println!("\n{}", self.paint("1", text));
    }

    pub(crate) fn done(&self, text: &str) {
        println!("  {} {text}", self.paint("32", "✓"));
    }

    pub(crate) fn failed(&self, text: &str) {
        println!("  {} {text}", self.paint("31", "✗"));
    }

    fn health(&self, health: HealthStatus) -> String {
        let code = match health {
            HealthStatus::Healthy => "32",
            HealthStatus::Progressing => "36",
            HealthStatus::Degraded | HealthStatus::Missing => "31",
            _ => "33",
        };
        self.paint(code, health.as_str())
    }
}

impl Observer for Screen {
    fn observe(&self, event: &Event) {
        let text = match &event.kind {
            EventKind::RevisionChanged { from, to } => {
                let short = |id: &str| id.chars().take(7).collect::<String>();
                match from {
                    Some(from) => format!("revision {} → {}", short(from), short(to)),
                    None => format!("revision {}", short(to)),
                }
            }
            EventKind::SyncStatusChanged {
                to: SyncStatusCode::OutOfSync,
                out_of_sync,
                ..
            } => {
                let text = match out_of_sync {
                    1 => "1 object differs".to_owned(),
                    n => format!("{n} objects differ"),
                };
                self.paint("33", &text)
            }
            EventKind::HealthChanged { to, message, .. } if message.is_empty() => self.health(*to),
            EventKind::HealthChanged { to, message, .. } => {
                format!("{}: {message}", self.health(*to))
            }
            EventKind::ObjectProgressed {
                message,
                status: Some(_),
                state,
                phase,
                ..
            } => match state {
                Some(OperationPhase::Running) if !message.ends_with("unchanged") => {
                    format!("{phase}: {message}")
                }
                Some(OperationPhase::Failed | OperationPhase::Error) => {
                    self.paint("31", &format!("{phase}: {message}"))
                }
                Some(OperationPhase::Succeeded) if message == "pruned" => {
                    format!("{phase}: {message}")
                }
                _ => return,
            },
            EventKind::OperationProgressed { message } => self.paint("2", message),
            EventKind::OperationFinished { phase, message, .. } => match phase {
                OperationPhase::Succeeded => self.paint("32", message),
                _ => self.paint("31", message),
            },
            // Old spellings in kustomizations work, and are not what this is about.
            EventKind::ConditionRaised { condition, .. } if condition == "RenderWarning" => return,
            EventKind::ConditionRaised { condition, message } => {
                self.paint("33", &format!("{condition}: {message}"))
            }
            _ => return,
        };
        let text = match &event.kind {
            EventKind::ObjectProgressed { key, message, .. } if message == "pruned" => {
                format!("{text} {key}")
            }
            _ => text,
        };
        let seconds = event.at.since(self.begin).as_secs();
        let line = format!("  {seconds:>4}s  {:<20} {text}", event.application.name);
        let mut last = self.last.lock().expect("printing does not panic");
        if *last != line {
            println!("{line}");
            *last = line;
        }
    }
}
