//! The way to an error of execution, as Helm 4 shows it: over several lines.

use std::fmt::Write as _;

use gitops_template::{Error, Frame};

/// A step of the way.
#[derive(PartialEq, Eq)]
struct Step<'a> {
    place: &'a str,
    action: String,
    message: &'a str,
}

/// Shows an error, a few lines for each template on the way to it; `None` where Helm shows it as Go does, because
/// something on the way is not said in Go's words.
///
/// Helm takes the texts of the error and its causes apart, so that is what is done here.
pub(crate) fn lines(error: &Error) -> Option<String> {
    let text = error.to_string();
    let mut steps: Vec<Step<'_>> = Vec::new();
    for cause in causes(error, &text) {
        let step = Step::parse(cause)?;
        if steps.last() != Some(&step) {
            steps.push(step);
        }
    }
    let mut out = String::new();
    for Step {
        place,
        action,
        message,
    } in steps
    {
        if !place.is_empty() {
            let _ = write!(out, "{place}\n  ");
        }
        if !action.is_empty() {
            let _ = write!(out, "{action}\n    ");
        }
        if !message.is_empty() {
            let _ = writeln!(out, "{message}");
        }
    }
    Some(out.trim().to_owned())
}

/// Returns the text of an error and those of its causes, which are parts of it.
fn causes<'a>(error: &Error, text: &'a str) -> Vec<&'a str> {
    let mut causes = vec![text];
    let mut rest = text;
    for frame in error.frames() {
        // Only what a function returned is the cause of anything.
        if matches!(frame, Frame::Action { called: None, .. }) {
            break;
        }
        let Some(next) = rest
            .strip_prefix(&frame.to_string())
            .and_then(|rest| rest.strip_prefix(": "))
        else {
            break;
        };
        rest = next;
        causes.push(rest);
    }
    causes
}

impl<'a> Step<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix("template: ")?;
        if rest.starts_with("no template ") {
            return Some(Self {
                place: "",
                action: String::new(),
                message: text,
            });
        }
        Self::executing(rest).or_else(|| {
            let (place, message) = rest.rsplit_once(": ")?;
            Some(Self {
                place,
                action: String::new(),
                message: until_template(message),
            })
        })
    }

    /// Reads `PLACE: executing "NAME" at <ACTION>: MESSAGE`.
    fn executing(text: &'a str) -> Option<Self> {
        let (place, rest) = text.split_once(": executing ")?;
        let (name, rest) = rest.strip_prefix('"')?.split_once('"')?;
        let (action, message) = rest.strip_prefix(" at <")?.split_once(">: ")?;
        Some(Self {
            place,
            action: format!("executing \"{name}\" at <{action}>:"),
            message: until_template(message),
        })
    }
}

/// Cuts off the cause behind a message.
fn until_template(message: &str) -> &str {
    message
        .find(" template:")
        .map_or(message, |at| &message[..at])
}
