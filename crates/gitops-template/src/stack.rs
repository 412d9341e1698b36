//! Room on the stack for what nests.

/// How much stack a level of nesting may need.
const RED_ZONE: usize = 128 * 1024;

/// How much stack is added at a time.
const SEGMENT: usize = 2 * 1024 * 1024;

/// Runs `work` with enough stack left, whatever thread it runs on.
///
/// Parsing, executing and printing recurse to depths that are limited, but to more than a small
/// stack holds.
pub(crate) fn grow<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(RED_ZONE, SEGMENT, work)
}
