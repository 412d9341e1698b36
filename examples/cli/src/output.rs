//! What is printed.

use std::collections::HashSet;
use std::io::{IsTerminal, stderr, stdout};
use std::sync::{Mutex, PoisonError};

use gitops::application::OperationPhase;
use gitops::manifest::{ObjectKey, Value, yaml};
use gitops::{Event, EventKind, Observer};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::args::{Color, Format};

/// Colours, where they are wanted.
#[derive(Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    pub(crate) fn new(color: Color) -> Self {
        Self(match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => stdout().is_terminal(),
        })
    }

    /// Whether there are colours.
    pub(crate) const fn is_on(self) -> bool {
        self.0
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn health(self, status: &str) -> String {
        match status {
            "Healthy" => self.green(status),
            "Degraded" | "Missing" | "Unknown" => self.red(status),
            "" => "-".to_owned(),
            other => self.yellow(other),
        }
    }
}

/// Prints a table: columns as wide as their widest cell.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(visible(cell));
        }
    }
    let print = |cells: &[String]| {
        let mut line = String::new();
        for (i, cell) in cells.iter().enumerate() {
            line.push_str(cell);
            if i + 1 < cells.len() {
                line.push_str(&" ".repeat(widths[i] + 2 - visible(cell)));
            }
        }
        println!("{}", line.trim_end());
    };
    print(&header.iter().map(ToString::to_string).collect::<Vec<_>>());
    for row in rows {
        print(row);
    }
}

/// Counts the characters of a cell that take room.
fn visible(cell: &str) -> usize {
    let mut count = 0;
    let mut escape = false;
    for c in cell.chars() {
        match (escape, c) {
            (false, '\x1b') => escape = true,
            (true, 'm') => escape = false,
            (true, _) => {}
            (false, _) => count += 1,
        }
    }
    count
}

/// Prints a value for programs.
pub(crate) fn data<T: Serialize>(value: &T, format: Format) -> Result<(), serde_json::Error> {
    let json = serde_json::to_value(value)?;
    match format {
        Format::Yaml => print!(
            "{}",
            yaml::emit(&Value::from(json), &yaml::EmitOptions::default())
        ),
        _ => println!("{}", serde_json::to_string_pretty(&json)?),
    }
    Ok(())
}

/// Prints what happens while it happens: a line an event, and on a terminal a bar below them.
pub(crate) struct Progress {
    paint: Paint,
    bar: ProgressBar,
    /// The objects that came to something, each once.
    seen: Mutex<HashSet<ObjectKey>>,
}

impl Progress {
    pub(crate) fn new(paint: Paint) -> Self {
        let bar = if stderr().is_terminal() {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} objects {msg}");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        } else {
            ProgressBar::hidden()
        };
        Self {
            paint,
            bar,
            seen: Mutex::default(),
        }
    }

    fn advance(&self, event: &Event) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match &event.kind {
            EventKind::SyncStatusChanged { out_of_sync, .. } => {
                self.bar
                    .set_length(u64::try_from(*out_of_sync).unwrap_or(0));
            }
            EventKind::ObjectProgressed { key, message, .. } if seen.insert(key.clone()) => {
                let count = u64::try_from(seen.len()).unwrap_or(0);
                self.bar
                    .set_length(self.bar.length().unwrap_or(0).max(count));
                self.bar.set_position(count);
                self.bar.set_message(message.clone());
            }
            EventKind::OperationFinished { .. } => self.bar.finish_and_clear(),
            _ => {}
        }
    }
}

impl Observer for Progress {
    fn observe(&self, event: &Event) {
        self.advance(event);
        let paint = self.paint;
        let line = match &event.kind {
            EventKind::ObjectProgressed {
                phase,
                message,
                state,
                status: Some(_),
                ..
            } => match state {
                Some(OperationPhase::Failed | OperationPhase::Error) => {
                    paint.red(&format!("{phase}: {message}"))
                }
                Some(OperationPhase::Running) => format!("{phase}: {message}"),
                Some(OperationPhase::Succeeded) if message.starts_with("pruned") => {
                    format!("{phase}: {message}")
                }
                _ => return,
            },
            EventKind::OperationProgressed { message } => paint.dim(message),
            EventKind::OperationFinished {
                phase: OperationPhase::Succeeded,
                message,
                ..
            } => paint.green(message),
            EventKind::OperationFinished { message, .. } => paint.red(message),
            EventKind::HealthChanged { to, message, .. } => {
                let separator = if message.is_empty() { "" } else { ": " };
                format!("{}{separator}{message}", paint.health(to.as_str()))
            }
            EventKind::ConditionRaised { condition, message } => {
                paint.yellow(&format!("{condition}: {message}"))
            }
            _ => return,
        };
        self.bar
            .suspend(|| eprintln!("{}: {line}", event.application.name));
    }
}
