use std::collections::{BTreeMap, HashMap, HashSet};

use gitops_manifest::Str;
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::Request;
use crate::glob::{Glob, Syntax};

/// Over how many steps a subject inherits from a role.
const INHERITANCE: usize = 10;

/// How the patterns of rules match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MatchMode {
    /// As globs, over the whole text.
    #[default]
    Glob,
    /// As regular expressions that are found somewhere in the text.
    Regex,
}

/// A line of policy that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy cannot be read: {text:?}: {reason}")]
pub struct PolicyError {
    /// Its number, from 1.
    pub line: usize,
    /// What it says.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
    /// Anything else: such a rule is read and never decides.
    Neither,
}

#[derive(Clone, Debug)]
enum Pattern {
    Text(Str),
    Glob(Glob),
    Regex(Regex),
    /// An expression that is none: whoever needs its answer is denied.
    Bad,
}

impl Pattern {
    fn new(text: &str, mode: MatchMode) -> Self {
        match mode {
            MatchMode::Glob if !text.contains(['*', '?', '[', ']', '{', '}', '\\', ',', '!']) => {
                Self::Text(text.into())
            }
            MatchMode::Glob => Self::Glob(Glob::new(text, Syntax::Any)),
            MatchMode::Regex if repeats_a_repetition(text) => Self::Bad,
            MatchMode::Regex => Regex::new(text).map_or(Self::Bad, Self::Regex),
        }
    }

    fn matches(&self, text: &str) -> Option<bool> {
        match self {
            Self::Text(own) => Some(**own == *text),
            Self::Glob(glob) => Some(glob.matches(text)),
            Self::Regex(regex) => Some(regex.is_match(text)),
            Self::Bad => None,
        }
    }
}

/// Whether an expression repeats what is repeated already, as `a**`: Go refuses that.
fn repeats_a_repetition(text: &str) -> bool {
    let mut chars = text.chars().peekable();
    let mut in_class = false;
    let mut repeated = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
                repeated = false;
            }
            ']' if in_class => in_class = false,
            _ if in_class => {}
            '[' => {
                in_class = true;
                // A bracket that comes first is one of the class.
                chars.next_if_eq(&'^');
                chars.next_if_eq(&']');
                repeated = false;
            }
            '*' | '+' | '?' => {
                if repeated {
                    return true;
                }
                repeated = true;
                // This one only says that as little as possible is taken.
                chars.next_if_eq(&'?');
            }
            '{' if chars.peek().is_some_and(char::is_ascii_digit) => {
                if repeated {
                    return true;
                }
                repeated = true;
                for c in chars.by_ref() {
                    if c == '}' {
                        break;
                    }
                }
                chars.next_if_eq(&'?');
            }
            _ => repeated = false,
        }
    }
    false
}

#[derive(Clone, Debug)]
struct Rule {
    resource: Pattern,
    action: Pattern,
    object: Pattern,
    effect: Effect,
}

/// Rules, and who inherits from whom.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The rules of each subject.
    rules: HashMap<Str, Vec<Rule>>,
    inherits: HashMap<Str, Vec<Str>>,
}

impl Policy {
    /// Adds lines: `p, subject, resource, action, object, effect` and `g, subject, role`. Empty lines and those that begin
    /// with `#` are passed over.
    ///
    /// # Errors
    /// Where a line cannot be read; nothing is added then.
    pub fn add(&mut self, text: &str, mode: MatchMode) -> Result<(), PolicyError> {
        let mut lines = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let refuse = |reason: String| PolicyError {
                line: i + 1,
                text: line.to_owned(),
                reason,
            };
            let fields = split(line).map_err(refuse)?;
            match (fields[0].as_str(), fields.len()) {
                ("p", 6) | ("g", 3) => lines.push(fields),
                ("p", n) => return Err(refuse(format!("it has {n} fields, not 6"))),
                ("g", n) => return Err(refuse(format!("it has {n} fields, not 3"))),
                _ => return Err(refuse("it begins with neither p nor g".into())),
            }
        }
        for fields in lines {
            let subject = Str::from(fields[1].as_str());
            if fields[0] == "g" {
                self.inherits
                    .entry(subject)
                    .or_default()
                    .push(fields[2].as_str().into());
                continue;
            }
            self.rules.entry(subject).or_default().push(Rule {
                resource: Pattern::new(&fields[2], mode),
                action: Pattern::new(&fields[3], mode),
                object: Pattern::new(&fields[4], mode),
                effect: match fields[5].as_str() {
                    "allow" => Effect::Allow,
                    "deny" => Effect::Deny,
                    _ => Effect::Neither,
                },
            });
        }
        Ok(())
    }

    /// Returns the policy that is there from the start: `role:readonly`, `role:admin`, and the user `admin`.
    pub(super) fn builtin(mode: MatchMode) -> Self {
        // Resources with the form of their objects, and what an admin may do besides reading.
        let table: [(&str, &str, &[&str]); 11] = [
            (
                "applications",
                "*/*",
                &[
                    "create", "update", "update/*", "delete", "delete/*", "sync", "rollback",
                    "override", "action/*",
                ],
            ),
            ("applicationsets", "*/*", &["create", "update", "delete"]),
            ("certificates", "*", &["create", "update", "delete"]),
            ("clusters", "*", &["create", "update", "delete"]),
            ("repositories", "*", &["create", "update", "delete"]),
            ("write-repositories", "*", &["create", "update", "delete"]),
            ("projects", "*", &["create", "update", "delete"]),
            ("accounts", "*", &["update"]),
            ("gpgkeys", "*", &["create", "delete"]),
            ("logs", "*/*", &[]),
            ("exec", "*/*", &["create"]),
        ];
        let any = |object: &str| match (mode, object) {
            (MatchMode::Glob, object) => object.to_owned(),
            // The patterns of the built-in rules are globs, whatever those of the user are.
            (MatchMode::Regex, "*") => ".*".to_owned(),
            (MatchMode::Regex, object) => object.replace('*', ".*"),
        };
        let mut lines = Vec::new();
        for (resource, object, actions) in table {
            let object = any(object);
            if resource != "exec" {
                lines.push(format!(
                    "p, role:readonly, {resource}, get, {object}, allow"
                ));
            }
            for action in actions {
                let action = any(action);
                lines.push(format!(
                    "p, role:admin, {resource}, {action}, {object}, allow"
                ));
            }
        }
        lines.push("g, role:admin, role:readonly".into());
        lines.push("g, admin, role:admin".into());
        let mut policy = Self::default();
        policy
            .add(&lines.join("\n"), mode)
            .expect("the built-in lines are well-formed");
        policy
    }

    /// Whether a role is bound to a subject.
    pub(super) fn is_bound(&self, subject: &str) -> bool {
        self.inherits.contains_key(subject)
    }

    /// Whether a subject may do something. What cannot be decided is denied.
    #[must_use]
    pub fn permits(&self, subject: &str, request: &Request<'_>) -> bool {
        let mut allowed = false;
        for subject in self.subjects(subject) {
            for rule in self.rules.get(subject).into_iter().flatten() {
                let matches = (|| {
                    Some(
                        rule.resource.matches(request.resource)?
                            && rule.action.matches(request.action)?
                            && rule.object.matches(request.object)?,
                    )
                })();
                match (matches, rule.effect) {
                    (None, _) | (Some(true), Effect::Deny) => return false,
                    (Some(true), Effect::Allow) => allowed = true,
                    _ => {}
                }
            }
        }
        allowed
    }

    /// Returns a subject and all that it inherits from.
    fn subjects<'a>(&'a self, subject: &'a str) -> Vec<&'a str> {
        let mut all = vec![subject];
        let mut seen: HashSet<&str> = HashSet::from([subject]);
        let mut from = 0;
        for _ in 0..INHERITANCE {
            let until = all.len();
            for i in from..until {
                for role in self.inherits.get(all[i]).into_iter().flatten() {
                    if seen.insert(role) {
                        all.push(role);
                    }
                }
            }
            if all.len() == until {
                break;
            }
            from = until;
        }
        all
    }
}

/// Puts the lines of policy of a settings map together: `policy.csv`, then each `policy.NAME.csv` in order of name.
#[must_use]
pub fn user_policy(data: &BTreeMap<String, String>) -> String {
    let mut texts: Vec<&str> = data
        .get("policy.csv")
        .map(String::as_str)
        .into_iter()
        .collect();
    texts.extend(
        data.iter()
            .filter(|(key, _)| {
                key.starts_with("policy.") && key.ends_with(".csv") && *key != "policy.csv"
            })
            .map(|(_, text)| text.as_str()),
    );
    texts.join("\n")
}

/// Splits a line at its commas. Blanks in front of a field do not belong to it; a field may stand in quotes.
fn split(line: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut field = String::new();
            let mut chars = quoted.char_indices();
            let end = loop {
                match chars.next() {
                    None => return Err("a quote is not closed".into()),
                    Some((i, '"')) if quoted[i + 1..].starts_with('"') => {
                        chars.next();
                        field.push('"');
                    }
                    Some((i, '"')) => break i + 1,
                    Some((_, c)) => field.push(c),
                }
            };
            fields.push(field);
            rest = &quoted[end..];
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None if rest.is_empty() => return Ok(fields),
                None => return Err("something follows a quoted field".into()),
            }
        } else {
            let (field, next) = match rest.split_once(',') {
                Some((field, next)) => (field, Some(next)),
                None => (rest, None),
            };
            if field.contains('"') {
                return Err("a quote stands within a field".into());
            }
            fields.push(field.to_owned());
            match next {
                Some(next) => rest = next,
                None => return Ok(fields),
            }
        }
    }
}
