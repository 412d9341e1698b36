//! Go text/template and sprig in Rust
#![deny(missing_docs)]

mod builtin;
#[cfg(feature = "crypto")]
mod crypto;
mod error;
mod exec;
mod format;
mod function;
mod json;
mod output;
mod random;
mod regexp;
mod render;
pub mod semver;
mod sprig;
mod stack;
mod syntax;
mod template;
mod text;
mod time;
mod unicode;
mod value;

pub use error::{Error, ErrorKind, Frame, Result};
pub use exec::Context;
pub use function::{Function, Functions, Signature};
pub use output::Output;
pub use random::Random;
pub use render::{Limits, Render, RenderOptions, Zones};
pub use template::{MissingKey, Snippet, Templates};
pub use text::Str;
pub use time::Time;
pub use value::{Kind, List, ListType, Map, MapType, Methods, Object, Type, Value};
