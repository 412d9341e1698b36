//! `index.yaml`: what a chart repository has.

use std::collections::HashMap;

use gitops_core::Timestamp;
use gitops_core::nearness::nearest;
use gitops_manifest::yaml::{self, Duplicates, ParseOptions};
use gitops_manifest::{Str, Value};
use gitops_template::semver::{Constraint, Version};

use super::address::is_hash;

/// The content of an `index.yaml`, as far as fetching needs it.
#[derive(Debug, Default)]
pub(super) struct Index {
    charts: HashMap<Str, Vec<Entry>>,
}

/// One version of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) version: Str,
    pub(super) urls: Vec<Str>,
    /// The SHA-256 of the archive, where the index says it.
    pub(super) digest: Option<Str>,
    pub(super) created: Str,
    pub(super) description: Str,
}

/// Why an index has no such thing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Chart(Vec<Str>),
    Version(Vec<Str>),
    /// What was asked for is neither a version nor a range.
    Range(String),
}

impl Index {
    /// Reads an index as Helm does: it must have an `apiVersion`; entries without name or version are left out.
    pub(super) fn parse(bytes: &[u8], max: usize) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "the index is not UTF-8".to_owned())?;
        if text.trim().is_empty() {
            return Err("the index is empty".to_owned());
        }
        // JSON is several times quicker to read, and some repositories serve it.
        let value = if text.trim_start().starts_with('{')
            && let Ok(value) = Value::from_json(text)
        {
            value
        } else {
            let mut options = ParseOptions::default().duplicates(Duplicates::Error);
            options.max_bytes = max;
            yaml::parse_one(text, &options)
                .map_err(|error| format!("the index cannot be read: {error}"))?
        };
        let Value::Object(map) = &value else {
            return Err(format!(
                "the index must be a map, not {}",
                value.type_name()
            ));
        };
        let version = map.get("apiVersion").and_then(Value::as_str);
        if version.is_none_or(str::is_empty) {
            return Err("the index has no apiVersion".to_owned());
        }
        let mut charts = HashMap::new();
        match map.get("entries") {
            None | Some(Value::Null) => {}
            Some(Value::Object(entries)) => {
                for (name, versions) in entries {
                    let list: Vec<Entry> = match versions {
                        Value::Null => Vec::new(),
                        Value::Array(list) => list.iter().filter_map(Entry::read).collect(),
                        other => {
                            return Err(format!(
                                "entries.{name} of the index must be a list, not {}",
                                other.type_name()
                            ));
                        }
                    };
                    charts.insert(name.clone(), list);
                }
            }
            Some(other) => {
                return Err(format!(
                    "entries of the index must be a map, not {}",
                    other.type_name()
                ));
            }
        }
        Ok(Self { charts })
    }

    /// Finds a version of a chart: exactly the one that is named, else the highest that fits a range.
    pub(super) fn find(&self, chart: &str, wanted: &str) -> Result<&Entry, Missing> {
        let Some(entries) = self.charts.get(chart) else {
            let names = self.charts.keys().map(|name| &**name);
            return Err(Missing::Chart(
                nearest(chart, names).into_iter().map(Str::from).collect(),
            ));
        };
        let versions = || entries.iter().map(|entry| &*entry.version);
        match choose(versions(), wanted) {
            Ok(Some(at)) => Ok(&entries[at]),
            Ok(None) => Err(Missing::Version(near_versions(wanted, versions()))),
            Err(reason) => Err(Missing::Range(reason)),
        }
    }

    /// Finds the version of a chart that has a digest.
    pub(super) fn by_digest(&self, chart: &str, digest: &str) -> Option<&Entry> {
        let has = |entry: &&Entry| entry.digest.as_deref() == Some(digest);
        self.charts.get(chart)?.iter().find(has)
    }
}

impl Entry {
    fn read(value: &Value) -> Option<Self> {
        let text = |field: &str| -> Str {
            match value.get(field) {
                Some(Value::String(text)) => text.clone(),
                _ => Str::default(),
            }
        };
        let (name, version) = (text("name"), text("version"));
        if name.is_empty() || Version::parse(&version).is_err() {
            return None;
        }
        let urls = value.get("urls").and_then(Value::as_array);
        let digest = text("digest");
        let digest = digest
            .strip_prefix("sha256:")
            .unwrap_or(&digest)
            .to_ascii_lowercase();
        Some(Self {
            version,
            urls: urls
                .map(|urls| {
                    urls.iter()
                        .filter_map(Value::as_str)
                        .map(Str::from)
                        .collect()
                })
                .unwrap_or_default(),
            digest: is_hash(&digest).then(|| digest.into()),
            created: text("created"),
            description: text("description"),
        })
    }

    /// Returns when the version was made.
    pub(super) fn date(&self) -> Option<Timestamp> {
        Timestamp::parse(&self.created)
    }
}

/// Returns the position of the version that is wanted: the one with exactly that text, else the highest that fits
/// the range; of equal versions the first. Without a wish the highest that is no pre-release.
pub(super) fn choose<'a>(
    versions: impl IntoIterator<Item = &'a str> + Clone,
    wanted: &str,
) -> Result<Option<usize>, String> {
    let wanted = wanted.trim();
    if !wanted.is_empty()
        && let Some(at) = versions
            .clone()
            .into_iter()
            .position(|version| version == wanted)
    {
        return Ok(Some(at));
    }
    let range = if wanted.is_empty() { "*" } else { wanted };
    let constraint = Constraint::parse(range).map_err(|error| {
        format!("{range:?} is neither a version nor a range of versions: {error}")
    })?;
    let mut best: Option<(usize, Version)> = None;
    for (at, text) in versions.into_iter().enumerate() {
        if let Ok(version) = Version::parse(text)
            && constraint.check(&version)
            && best.as_ref().is_none_or(|(_, known)| version > *known)
        {
            best = Some((at, version));
        }
    }
    Ok(best.map(|(at, _)| at))
}

/// Returns the versions that come nearest to one that is not there.
pub(super) fn near_versions<'a>(
    wanted: &str,
    versions: impl IntoIterator<Item = &'a str>,
) -> Vec<Str> {
    nearest(wanted, versions)
        .into_iter()
        .map(Str::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "apiVersion: v1
entries:
  web:
  - {name: web, version: 1.2.0, urls: [web-1.2.0.tgz], created: 2024-01-02T03:04:05.678Z, digest: 'SHA'}
  - {name: web, version: 2.0.0-rc.1, urls: [web-2.tgz]}
  - {name: web, version: 1.10.0, urls: [https://example.com/web-1.10.0.tgz]}
  - {name: web, version: 1.9.0+build, urls: []}
  - {name: web, version: nonsense}
  - {version: 3.0.0}
  - null
  empty:
";

    fn index() -> Index {
        let digest = format!("sha256:{}", "A".repeat(64));
        Index::parse(INDEX.replace("SHA", &digest).as_bytes(), 1 << 20).expect("an index")
    }

    #[test]
    fn the_highest_version_of_a_range_is_found() {
        let index = index();
        for (wanted, version) in [
            ("", "1.10.0"),
            ("*", "1.10.0"),
            ("1.2.0", "1.2.0"),
            ("v1.2.0", "1.2.0"),
            ("1.2", "1.2.0"),
            ("~1.2", "1.2.0"),
            ("^1.2", "1.10.0"),
            ("<1.10", "1.9.0+build"),
            (">0.0.0-0", "2.0.0-rc.1"),
            ("2.0.0-rc.1", "2.0.0-rc.1"),
        ] {
            let found = index.find("web", wanted).map(|entry| &*entry.version);
            assert_eq!(found, Ok(version), "{wanted}");
        }
        let entry = index.find("web", "1.2.0").expect("it is there");
        assert_eq!(entry.digest.as_deref(), Some(&*"a".repeat(64)));
        assert_eq!(entry.date(), Timestamp::parse("2024-01-02T03:04:05.678Z"));
        assert!(index.by_digest("web", &"a".repeat(64)).is_some());
    }

    #[test]
    fn what_is_not_there_is_told_with_what_comes_near() {
        let index = index();
        assert_eq!(
            index.find("wbe", ""),
            Err(Missing::Chart(vec!["web".into(), "empty".into()]))
        );
        let Err(Missing::Version(near)) = index.find("web", "1.2.1") else {
            panic!("no version");
        };
        assert_eq!(near[0], "1.2.0");
        assert!(matches!(index.find("web", ">>1"), Err(Missing::Range(_))));
        assert_eq!(index.find("empty", ""), Err(Missing::Version(Vec::new())));
    }

    #[test]
    fn what_is_no_index_is_refused() {
        for (text, want) in [
            ("", "empty"),
            ("entries: {}", "apiVersion"),
            ("[]", "map"),
            ("apiVersion: v1\nentries: []", "map"),
            ("apiVersion: v1\nentries: {web: {}}", "list"),
            ("apiVersion: v1\nentries: {web: [}", "cannot be read"),
            ("apiVersion: v1\nentries: {web: [], web: []}", "web"),
            ("<html>", "map"),
            ("{\"apiVersion\": \"v1\", \"entries\": ", "cannot be read"),
        ] {
            let error = Index::parse(text.as_bytes(), 1 << 20).expect_err(text);
            assert!(error.contains(want), "{text}: {error}");
        }
        assert!(Index::parse(&[0xff], 1 << 20).is_err());
        assert!(Index::parse(&[b' '; 64], 1).is_err());
        assert!(Index::parse(br#"{"apiVersion":"v1","entries":{}}"#, 1 << 20).is_ok());
    }
}
