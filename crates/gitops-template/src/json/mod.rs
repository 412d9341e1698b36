//! JSON as Go's `encoding/json` writes and reads it.

mod decode;
mod encode;

pub(crate) use decode::{decode, decode_lenient};
pub(crate) use encode::Encoder;
