//! Go's `text/template` and all of sprig, in Rust, to the byte.
//!
//! A template that Go renders comes out the same here: values print as `fmt` prints them, errors
//! carry Go's words and its chain of `executing "x" at <…>`, `{{- trims -}}`, variables, `break`,
//! comparison across types and missing keys behave as in Go 1.26, and the functions are those of
//! sprig 3.3.0.
//!
//! ```
//! use gitops_template::{Functions, Map, Render, Str, Templates, Value};
//!
//! let mut templates = Templates::new(Functions::sprig());
//! templates.parse(
//!     "notice",
//!     r#"{{ define "line" }}- {{ .name | upper | quote }} is {{ .state | default "unknown" }}
//! {{ end -}}
//! {{ range .apps }}{{ template "line" . }}{{ end }}"#,
//! )?;
//!
//! let app = |name: &str, state: &str| {
//!     let entries = [(Str::new("name"), name.into()), (Str::new("state"), state.into())];
//!     Value::Map(Map::from_iter(entries))
//! };
//! let apps = Value::list(vec![app("guestbook", "healthy"), app("shop", "")]);
//! let data = Map::from_iter([(Str::new("apps"), apps)]);
//!
//! let text = templates.render("notice", data.into(), &mut Render::default())?;
//! assert_eq!(text, "- \"GUESTBOOK\" is healthy\n- \"SHOP\" is unknown\n");
//! # Ok::<(), gitops_template::Error>(())
//! ```
//!
//! # The parts
//!
//! - [`Templates`] is a set of parsed templates. It is parsed once, is `Send` and `Sync`, and any
//!   number of threads may render from it. A clone is cheap, and parsing more into it leaves the
//!   original alone.
//! - [`Value`] is a Go value: what `%T` tells apart is told apart. Lists and maps are references, so
//!   that `set` and `merge` show everywhere; values belong to one thread.
//! - [`Function`] is a closure with a Go [`Signature`]. Arguments are checked against it as Go
//!   checks them, before the closure runs. The closure sees the render through its [`Context`]: it
//!   can execute templates, parse text into a copy of the set, and reach the host's own state.
//! - [`Object`] is a typed value of the host with fields and methods, such as a struct;
//!   [`ListType`] and [`MapType`] describe defined slice and map types.
//! - [`Render`] is one render: its [`Limits`], its clock, its random numbers. Nothing is read from
//!   the process, so the same input gives the same output.
//! - [`semver`] are versions and constraints as `Masterminds/semver` reads them.
//!
//! # Functions of the host
//!
//! `include` and `tpl`, as Helm has them, are a few lines:
//!
//! ```
//! use gitops_template::{Function, Functions, Render, Signature, Str, Templates, Type, Value};
//!
//! let mut functions = Functions::sprig();
//! let text_and_data = || Signature::new(&[Type::String, Type::Any][..], Type::String);
//! functions.insert(Function::new("include", text_and_data(), |context, arguments| {
//!     let [Value::Str(name), data] = arguments else { return Ok(Value::Missing) };
//!     context.render(name, data.clone()).map(Value::Str)
//! }));
//! functions.insert(Function::new("tpl", text_and_data(), |context, arguments| {
//!     let [Value::Str(text), data] = arguments else { return Ok(Value::Missing) };
//!     let snippet = context.parse(&Str::new("tpl"), text)?;
//!     context.execute(&snippet, data.clone()).map(Value::Str)
//! }));
//!
//! let mut templates = Templates::new(functions);
//! templates.parse("t", r#"{{ define "x" }}<{{ . }}>{{ end }}{{ tpl `{{ include "x" . }}` 1 }}"#)?;
//! assert_eq!(templates.render("t", Value::Nil, &mut Render::default())?, "<1>");
//! # Ok::<(), gitops_template::Error>(())
//! ```
//!
//! # Templates from outside
//!
//! Parsing and rendering never panic and never exhaust the stack, whatever they are given. Depth,
//! steps, output and the nesting of values are [limited](Limits), and a host can stop a render that
//! takes too long through [`RenderOptions::interrupt`].
//!
//! # Features
//!
//! - `crypto` (on by default): `genCA` and its kin, `genPrivateKey`, `bcrypt`, `htpasswd`,
//!   `derivePassword`, `encryptAES`, `decryptAES`.
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
pub use time::{Duration, Time};
pub use value::{Kind, List, ListType, Map, MapType, Methods, Object, Type, Value, WeakMap};
