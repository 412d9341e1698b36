//! The build environment: `$ARGOCD_APP_NAME` and its kin in the settings of an application.

use std::cell::Cell;

use crate::RenderOptions;

/// The variables that settings of renderers may refer to, as Argo CD names them.
///
/// ```
/// use gitops_core::application::ApplicationSource;
/// use gitops_core::{BuildEnvironment, RenderOptions};
///
/// let source = ApplicationSource::git("https://git.example.com/shop.git", "web", "main");
/// let options = RenderOptions::new("web", "shop", "0123456789abcdef", source);
/// let environment = BuildEnvironment::new(&options);
/// assert_eq!(environment.expand("envs/$ARGOCD_APP_NAME.yaml"), "envs/web.yaml");
/// assert!(!environment.asked_for_revision());
/// assert_eq!(environment.expand("${ARGOCD_APP_REVISION_SHORT}, $$5"), "0123456, $5");
/// assert!(environment.asked_for_revision());
/// ```
#[derive(Debug)]
pub struct BuildEnvironment<'a> {
    options: &'a RenderOptions,
    asked_for_revision: Cell<bool>,
}

/// Cuts a text to a number of characters.
fn short(text: &str, length: usize) -> &str {
    text.char_indices()
        .nth(length)
        .map_or(text, |(end, _)| &text[..end])
}

impl<'a> BuildEnvironment<'a> {
    /// Makes the environment of a render.
    #[must_use]
    pub const fn new(options: &'a RenderOptions) -> Self {
        Self {
            options,
            asked_for_revision: Cell::new(false),
        }
    }

    /// Returns a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let RenderOptions {
            instance,
            namespace,
            project,
            revision,
            source,
            ..
        } = self.options;
        if matches!(
            name,
            "ARGOCD_APP_REVISION"
                | "ARGOCD_APP_REVISION_SHORT"
                | "ARGOCD_APP_REVISION_SHORT_8"
                | "ARGOCD_APP_SOURCE_TARGET_REVISION"
        ) {
            self.asked_for_revision.set(true);
        }
        Some(match name {
            "ARGOCD_APP_NAME" => instance,
            "ARGOCD_APP_NAMESPACE" => namespace,
            "ARGOCD_APP_PROJECT_NAME" => project,
            "ARGOCD_APP_REVISION" => revision,
            "ARGOCD_APP_REVISION_SHORT" => short(revision, 7),
            "ARGOCD_APP_REVISION_SHORT_8" => short(revision, 8),
            "ARGOCD_APP_SOURCE_REPO_URL" => &source.repo_url,
            "ARGOCD_APP_SOURCE_PATH" => &source.path,
            "ARGOCD_APP_SOURCE_TARGET_REVISION" => &source.target_revision,
            _ => return None,
        })
    }

    /// Whether a variable was asked for that changes with the revision: what was made of it holds for that revision
    /// alone.
    #[must_use]
    pub const fn asked_for_revision(&self) -> bool {
        self.asked_for_revision.get()
    }

    /// Puts variables in place of `$NAME` and `${NAME}`, by the rules of Go's `os.Expand`. A name that is unknown
    /// stands for nothing, `$$` for a dollar.
    #[must_use]
    pub fn expand(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if after.is_empty() {
                out.push('$');
                rest = after;
                break;
            }
            let (name, width) = name(after);
            match name {
                Some("$") => out.push('$'),
                Some(name) => out.push_str(self.get(name).unwrap_or_default()),
                // A dollar that nothing follows stays; braces that are no name are eaten.
                None if width == 0 => out.push('$'),
                None => {}
            }
            rest = &after[width..];
        }
        out.push_str(rest);
        out
    }
}

/// Reads a name behind a dollar; returns it and how many bytes it takes.
fn name(text: &str) -> (Option<&str>, usize) {
    let bytes = text.as_bytes();
    let special = |b: u8| {
        matches!(
            b,
            b'*' | b'#' | b'$' | b'@' | b'!' | b'?' | b'-' | b'0'..=b'9'
        )
    };
    if bytes[0] == b'{' {
        return match text[1..].find('}') {
            Some(0) => (None, 2),
            Some(end) => (Some(&text[1..=end]), end + 2),
            None => (None, 1),
        };
    }
    if special(bytes[0]) {
        return (Some(&text[..1]), 1);
    }
    let plain = |b: &u8| !(b.is_ascii_alphanumeric() || *b == b'_');
    let end = bytes.iter().position(plain).unwrap_or(bytes.len());
    if end == 0 {
        (None, 0)
    } else {
        (Some(&text[..end]), end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::ApplicationSource;

    /// Outcomes of Go's `os.Expand` with Argo CD's mapping.
    #[test]
    fn names_are_expanded_as_in_go() {
        let source = ApplicationSource::git("r", "p", "main");
        let options = RenderOptions::new("web", "shop", "0123456789", source);
        let environment = BuildEnvironment::new(&options);
        for (text, want) in [
            ("", ""),
            ("plain", "plain"),
            ("$ARGOCD_APP_NAME", "web"),
            ("${ARGOCD_APP_NAME}x", "webx"),
            ("$ARGOCD_APP_NAMEx", ""),
            ("a$", "a$"),
            ("$$", "$"),
            ("$$ARGOCD_APP_NAME", "$ARGOCD_APP_NAME"),
            ("$ x", "$ x"),
            ("${}x", "x"),
            ("${x", "x"),
            ("$1x", "x"),
            ("${$}", "$"),
            ("é$é", "é$é"),
            ("$ARGOCD_APP_NAMESPACE/$ARGOCD_APP_SOURCE_PATH", "shop/p"),
        ] {
            assert_eq!(environment.expand(text), want, "{text}");
        }
    }
}
