//! `.helmignore`: which files of a chart's folder are no part of the chart.

use crate::Error;
use crate::pathmatch::PathPattern;

/// The rules of a `.helmignore` file, behind them Helm's own: dot files in `templates/` are ignored.
///
/// The rules look like Git's and are read differently. They are tried in order and the first that matches
/// ends the search; a rule that begins with `!` ignores everything that it does *not* match; `**` is refused.
#[derive(Clone, Debug)]
pub struct IgnoreRules(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    pattern: PathPattern,
    scope: Scope,
    negated: bool,
    folders_only: bool,
}

/// What a pattern is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// The whole path.
    Path,
    /// The last part of the path.
    Name,
}

impl IgnoreRules {
    /// Reads the text of a `.helmignore` file.
    ///
    /// # Errors
    /// [`Error::Pattern`] where a pattern is malformed, [`Error::DoubleStar`] where one contains `**`.
    ///
    /// ```
    /// use gitops_helm::IgnoreRules;
    /// let rules = IgnoreRules::parse("# build results\n*.bak\nci/\n")?;
    /// assert!(rules.ignores("templates/old.bak", false));
    /// assert!(rules.ignores("ci", true));
    /// assert!(!rules.ignores("values.yaml", false));
    /// # Ok::<(), gitops_helm::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Vec::new();
        for line in text.split('\n') {
            rules.extend(Rule::parse(line)?);
        }
        rules.extend(Rule::parse("templates/.?*")?);
        Ok(Self(rules))
    }

    /// Whether the file or folder at `path`, relative to the chart, is left out.
    #[must_use]
    pub fn ignores(&self, path: &str, is_folder: bool) -> bool {
        if path.is_empty() || path == "." || path == "./" {
            return false;
        }
        for rule in &self.0 {
            let matches = (is_folder || !rule.folders_only) && rule.matches(path);
            if matches != rule.negated {
                return true;
            }
        }
        false
    }
}

impl Default for IgnoreRules {
    /// Returns the rules of a chart without a `.helmignore` file.
    fn default() -> Self {
        Self::parse("").expect("the built-in pattern is well formed")
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Option<Self>, Error> {
        let mut text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            return Ok(None);
        }
        if text.contains("**") {
            return Err(Error::DoubleStar {
                pattern: text.to_owned(),
            });
        }
        // The rule as it stands must be a pattern, its `!` and slashes included.
        PathPattern::parse(text)?;
        let negated = text.starts_with('!');
        text = text.strip_prefix('!').unwrap_or(text);
        let folders_only = text.ends_with('/');
        text = text.strip_suffix('/').unwrap_or(text);
        let scope = if text.contains('/') {
            Scope::Path
        } else {
            Scope::Name
        };
        // Helm takes the leading slash off again on every comparison, so that any number of them goes.
        let pattern = PathPattern::parse(text.trim_start_matches('/'))?;
        Ok(Some(Self {
            pattern,
            scope,
            negated,
            folders_only,
        }))
    }

    fn matches(&self, path: &str) -> bool {
        match self.scope {
            Scope::Path => self.pattern.matches(path),
            Scope::Name => self
                .pattern
                .matches(path.rsplit('/').next().unwrap_or(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_match_decides() {
        let rules = IgnoreRules::parse("\u{feff}*.txt\n/docs\n a/b \nout/\n").expect("well formed");
        for (path, folder, want) in [
            ("x.txt", false, true),
            ("deep/er/x.txt", false, true),
            ("docs", true, true),
            ("a/docs", true, false),
            ("a/b", false, true),
            ("x/a/b", false, false),
            ("out", false, false),
            ("x/out", true, true),
            ("templates/.hidden", false, true),
            (".hidden", false, false),
        ] {
            assert_eq!(rules.ignores(path, folder), want, "{path}");
        }
    }

    #[test]
    fn negation_ignores_all_else() {
        let rules = IgnoreRules::parse("!*.yaml").expect("well formed");
        assert!(rules.ignores("README.md", false));
        assert!(!rules.ignores("values.yaml", false));
    }

    #[test]
    fn refuses_what_helm_refuses() {
        assert!(matches!(
            IgnoreRules::parse("a/**"),
            Err(Error::DoubleStar { .. })
        ));
        assert!(matches!(
            IgnoreRules::parse("a[b"),
            Err(Error::Pattern { .. })
        ));
    }
}
