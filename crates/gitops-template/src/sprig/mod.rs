//! The functions of sprig 3.3.

use crate::function::Functions;

/// Regular expressions that were compiled during a render.
#[derive(Default)]
pub(crate) struct RegexCache(u8);

pub(crate) fn register(_functions: &mut Functions) {}
