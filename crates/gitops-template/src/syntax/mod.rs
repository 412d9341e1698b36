//! Templates as text and as trees.

mod lexer;
mod number;
mod parser;
mod print;
mod tree;

pub(crate) use number::{IntError, Number, parse_float, parse_int};
pub(crate) use parser::{Delimiters, parse};
pub(crate) use tree::{NodeId, NodeKind, Span, Tree};
