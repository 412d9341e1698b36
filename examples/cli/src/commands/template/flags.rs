//! Flags as Helm's command reads them: the rules and the messages of its library.

/// What a flag takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Nothing, or `=true` and its kin.
    Bool,
    /// A value.
    Text,
    /// A value behind `=`, or none.
    Optional,
    /// Values, separated by commas, with quotes as in CSV.
    List,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// A length of time, such as `5m30s`.
    Duration,
    /// Pairs such as `a=b,c=d`.
    Pairs,
}

use Takes::{Bool, Duration, Float, Int, List, Optional, Pairs, Text};

/// The flags of `helm template`: name, letter, what it takes.
const FLAGS: &[(&str, Option<char>, Takes)] = &[
    ("api-versions", Some('a'), List),
    ("atomic", None, Bool),
    ("burst-limit", None, Int),
    ("ca-file", None, Text),
    ("cert-file", None, Text),
    ("create-namespace", None, Bool),
    ("debug", None, Bool),
    ("dependency-update", None, Bool),
    ("description", None, Text),
    ("devel", None, Bool),
    ("disable-openapi-validation", None, Bool),
    ("dry-run", None, Optional),
    ("enable-dns", None, Bool),
    ("force", None, Bool),
    ("generate-name", Some('g'), Bool),
    ("help", Some('h'), Bool),
    ("hide-notes", None, Bool),
    ("include-crds", None, Bool),
    ("insecure-skip-tls-verify", None, Bool),
    ("is-upgrade", None, Bool),
    ("key-file", None, Text),
    ("keyring", None, Text),
    ("kube-apiserver", None, Text),
    ("kube-as-group", None, Text),
    ("kube-as-user", None, Text),
    ("kube-ca-file", None, Text),
    ("kube-context", None, Text),
    ("kube-insecure-skip-tls-verify", None, Bool),
    ("kube-tls-server-name", None, Text),
    ("kube-token", None, Text),
    ("kube-version", None, Text),
    ("kubeconfig", None, Text),
    ("labels", Some('l'), Pairs),
    ("name-template", None, Text),
    ("namespace", Some('n'), Text),
    ("no-hooks", None, Bool),
    ("output-dir", None, Text),
    ("pass-credentials", None, Bool),
    ("password", None, Text),
    ("plain-http", None, Bool),
    ("post-renderer", None, Text),
    ("post-renderer-args", None, Text),
    ("qps", None, Float),
    ("registry-config", None, Text),
    ("release-name", None, Bool),
    ("render-subchart-notes", None, Bool),
    ("replace", None, Bool),
    ("repo", None, Text),
    ("repository-cache", None, Text),
    ("repository-config", None, Text),
    ("set", None, Text),
    ("set-file", None, Text),
    ("set-json", None, Text),
    ("set-literal", None, Text),
    ("set-string", None, Text),
    ("show-only", Some('s'), Text),
    ("skip-crds", None, Bool),
    ("skip-schema-validation", None, Bool),
    ("skip-tests", None, Bool),
    ("take-ownership", None, Bool),
    ("timeout", None, Duration),
    ("username", None, Text),
    ("validate", None, Bool),
    ("values", Some('f'), List),
    ("verify", None, Bool),
    ("version", None, Text),
    ("wait", None, Bool),
    ("wait-for-jobs", None, Bool),
];

/// A command line that was read.
#[derive(Debug, Default)]
pub(super) struct Flags {
    /// What is no flag.
    pub(super) positional: Vec<String>,
    given: Vec<(&'static str, String)>,
}

impl Flags {
    /// Reads a command line. The message of a mistake is that of Helm.
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut flags = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == "--" {
                flags.positional.extend(arguments.by_ref().cloned());
            } else if let Some(long) = argument.strip_prefix("--") {
                flags.long(argument, long, &mut arguments)?;
            } else if argument.len() > 1 && argument.starts_with('-') {
                flags.short(argument, &mut arguments)?;
            } else {
                flags.positional.push(argument.clone());
            }
        }
        Ok(flags)
    }

    fn long<'a>(
        &mut self,
        argument: &str,
        long: &str,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), String> {
        if long.starts_with(['-', '=']) {
            return Err(format!("bad flag syntax: {argument}"));
        }
        let (name, inline) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        let Some(flag) = FLAGS.iter().find(|(known, ..)| *known == name) else {
            return Err(format!("unknown flag: --{name}"));
        };
        let value = match (inline, flag.2) {
            (Some(value), _) => value,
            (None, Bool) => "true".to_owned(),
            (None, Optional) => "client".to_owned(),
            (None, _) => rest
                .next()
                .ok_or_else(|| format!("flag needs an argument: --{name}"))?
                .clone(),
        };
        self.add(*flag, value)
    }

    fn short<'a>(
        &mut self,
        argument: &str,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), String> {
        let mut letters = argument[1..].chars();
        while let Some(letter) = letters.next() {
            let Some(flag) = FLAGS.iter().find(|(_, known, _)| *known == Some(letter)) else {
                return Err(format!("unknown shorthand flag: {letter:?} in {argument}"));
            };
            let behind = letters.as_str();
            let value = match behind.strip_prefix('=') {
                Some(value) => value.to_owned(),
                None if flag.2 == Bool => {
                    self.add(*flag, "true".to_owned())?;
                    continue;
                }
                None if behind.is_empty() => rest
                    .next()
                    .ok_or_else(|| format!("flag needs an argument: {letter:?} in {argument}"))?
                    .clone(),
                None => behind.to_owned(),
            };
            return self.add(*flag, value);
        }
        Ok(())
    }

    fn add(
        &mut self,
        (name, letter, takes): (&'static str, Option<char>, Takes),
        value: String,
    ) -> Result<(), String> {
        let wrong = |why: String| {
            let shown = match letter {
                Some(letter) => format!("-{letter}, --{name}"),
                None => format!("--{name}"),
            };
            Err(format!(
                "invalid argument {value:?} for {shown:?} flag: {why}"
            ))
        };
        let syntax = |what: &str| format!("strconv.{what}: parsing {value:?}: invalid syntax");
        match takes {
            Int if value.parse::<i64>().is_err() => return wrong(syntax("ParseInt")),
            Float if value.parse::<f32>().is_err() => return wrong(syntax("ParseFloat")),
            Duration => {
                if let Err(why) = duration(&value) {
                    return wrong(format!("time: {why} duration {value:?}"));
                }
            }
            // One sign of equality makes one pair, commas and all.
            Pairs if value.matches('=').count() != 1 => {
                if let Some(odd) = items(&value).iter().find(|pair| !pair.contains('=')) {
                    return wrong(format!("{odd} must be formatted as key=value"));
                }
            }
            _ => {}
        }
        match takes {
            Bool => {
                let Some(value) = boolean(&value) else {
                    return wrong(syntax("ParseBool"));
                };
                self.given.push((name, value.to_string()));
            }
            List => {
                for item in items(&value) {
                    self.given.push((name, item));
                }
            }
            Text | Optional | Int | Float | Duration | Pairs => self.given.push((name, value)),
        }
        Ok(())
    }

    /// Returns the values of a flag, in order.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let given = self.given.iter().filter(move |(known, _)| *known == name);
        given.map(|(_, value)| value.as_str())
    }

    /// Returns the value of a flag: the last that was given; empty where there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.all(name).last().unwrap_or_default()
    }

    /// Whether a switch is on.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.text(name) == "true"
    }
}

/// Reads a length of time as Go does: numbers with their units, one behind the other. Says what is wrong with it.
fn duration(text: &str) -> Result<(), String> {
    let invalid = || Err("invalid".to_owned());
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Ok(());
    }
    if rest.is_empty() {
        return invalid();
    }
    while !rest.is_empty() {
        let of_number = |c: char| c.is_ascii_digit() || c == '.';
        let after = rest.trim_start_matches(of_number);
        let number = &rest[..rest.len() - after.len()];
        if number.matches('.').count() > 1 || !number.contains(|c: char| c.is_ascii_digit()) {
            return invalid();
        }
        let end = after.find(of_number).unwrap_or(after.len());
        match &after[..end] {
            "" => return Err("missing unit in".to_owned()),
            "ns" | "us" | "\u{b5}s" | "\u{3bc}s" | "ms" | "s" | "m" | "h" => {}
            unit => return Err(format!("unknown unit {unit:?} in")),
        }
        rest = &after[end..];
    }
    Ok(())
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Splits a line of CSV.
fn items(line: &str) -> Vec<String> {
    if line.is_empty() {
        return Vec::new();
    }
    let mut items = Vec::new();
    let mut item = String::new();
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                item.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if item.is_empty() => quoted = true,
            ',' if !quoted => items.push(std::mem::take(&mut item)),
            c => item.push(c),
        }
    }
    items.push(item);
    items
}
