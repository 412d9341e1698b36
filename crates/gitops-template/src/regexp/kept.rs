//! Compiled expressions that renders share.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;

use super::Regexp;
use crate::text::Str;

/// How many expressions are kept.
const MAX_KEPT: usize = 64;

/// How long an expression may be that is kept, and how large compiled.
const MAX_LENGTH: usize = 256;
const MAX_SIZE: usize = 256 << 10;

/// Small expressions that were compiled: charts use the same few again and again.
#[derive(Default)]
pub(crate) struct KeptRegexps(Mutex<FxHashMap<Str, Regexp>>);

impl KeptRegexps {
    /// Compiles an expression, or says what is wrong with it in Go's words.
    pub(crate) fn compile(&self, expression: &Str) -> Result<Regexp, String> {
        if expression.len() <= MAX_LENGTH {
            if let Some(regexp) = self.kept().get(expression) {
                return Ok(regexp.clone());
            }
            // The lock is not held meanwhile: two renders at once may both compile, which does no harm.
            if let Ok(regexp) = Regexp::compile_within(expression.as_bytes(), MAX_SIZE) {
                let mut kept = self.kept();
                if kept.len() >= MAX_KEPT {
                    kept.clear();
                }
                kept.insert(expression.clone(), regexp.clone());
                return Ok(regexp);
            }
        }
        // Too large to be kept, or wrong.
        Regexp::compile(expression.as_bytes())
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, FxHashMap<Str, Regexp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KeptRegexps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptRegexps")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_expressions_are_kept_and_others_are_not() {
        let kept = KeptRegexps::default();
        let count = || kept.kept().len();
        let compile = |expression: &str| kept.compile(&Str::new(expression));
        for _ in 0..2 {
            let found = compile("-r\\d+$").map(|regexp| regexp.find(b"1.2-r3").to_vec());
            assert_eq!(found, Ok(b"-r3".to_vec()));
            assert_eq!(count(), 1);
        }
        assert!(compile("a(").is_err_and(|error| error.contains("missing closing )")));
        let long = "a".repeat(MAX_LENGTH + 1);
        assert!(compile(&long).is_ok_and(|regexp| regexp.is_match(long.as_bytes())));
        let large = "\\pL{50}";
        assert!(compile(large).is_ok_and(|regexp| regexp.is_match(&[b'a'; 50])));
        assert_eq!(count(), 1);
        for number in 0..2 * MAX_KEPT {
            assert!(compile(&number.to_string()).is_ok());
        }
        assert!(count() <= MAX_KEPT);
    }
}
