//! Patterns of names: `*` and `?`.

/// Whether text fits a pattern in which `*` stands for any characters but `/`.
pub(crate) fn within_segment(pattern: &str, text: &str) -> bool {
    fits(pattern.as_bytes(), text.as_bytes(), |byte| byte != b'/')
}

/// Whether text fits a pattern in which `*` stands for any characters.
pub(crate) fn anywhere(pattern: &str, text: &str) -> bool {
    fits(pattern.as_bytes(), text.as_bytes(), |_| true)
}

/// Whether a name is a pattern.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Walks both in step; a mismatch goes back to the last star and lets it take one more byte, so that the
/// time is bounded by the product of the lengths.
fn fits(pattern: &[u8], text: &[u8], may_be_wild: impl Fn(u8) -> bool) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some(b'?') if may_be_wild(text[t]) => {
                p += 1;
                t += 1;
                continue;
            }
            Some(byte) if *byte == text[t] => {
                p += 1;
                t += 1;
                continue;
            }
            _ => {}
        }
        match star {
            Some((after, taken)) if may_be_wild(text[taken]) => {
                star = Some((after, taken + 1));
                p = after;
                t = taken + 1;
            }
            _ => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_marks() {
        assert!(within_segment("*.crossplane.io", "iam.aws.crossplane.io"));
        assert!(!within_segment("*.crossplane.io", "crossplane.io"));
        assert!(!within_segment("*", "apps/Deployment"));
        assert!(anywhere("*", "apps/Deployment"));
        assert!(anywhere("*.io/*", "argoproj.io/Rollout"));
        assert!(anywhere("a*b*c", "aXbXbc") && !anywhere("a*b*c", "aXbXbd"));
        assert!(anywhere("a?c", "abc") && !anywhere("a?c", "ac"));
        assert!(anywhere("**", "") && !anywhere("?", ""));
    }
}
