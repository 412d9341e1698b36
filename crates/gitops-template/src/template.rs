//! Sets of templates.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::error::{Error, ErrorKind, Result};
use crate::exec;
use crate::function::Functions;
use crate::output::Output;
use crate::render::{Render, RenderOptions};
use crate::syntax::{self, Delimiters, NodeId, Tree};
use crate::text::Str;
use crate::value::Value;

/// How many templates a set keeps beside those that it shares with others.
const MAX_OWN: usize = 16;

/// What a field gives that a map does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingKey {
    /// No value, which prints as `<no value>`.
    #[default]
    Invalid,
    /// The zero of the map's element type.
    Zero,
    /// An error.
    Error,
}

/// A set of parsed templates that can call each other by name.
///
/// A set holds no values and can be shared between threads. A clone shares the parsed templates;
/// parsing more into it does not change the original.
///
/// ```
/// use gitops_template::{Functions, Map, Render, Str, Templates, Value};
///
/// let mut templates = Templates::new(Functions::sprig());
/// templates.parse("greeting", r#"{{ define "who" }}{{ printf "%q" .name }}{{ end -}}
/// Hello, {{ template "who" . }}!"#)?;
///
/// let data = Map::from_iter([(Str::new("name"), Value::from("world"))]);
/// let text = templates.render("greeting", data.into(), &mut Render::default())?;
/// assert_eq!(text, "Hello, \"world\"!");
/// # Ok::<(), gitops_template::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Templates {
    name: Str,
    functions: Arc<Functions>,
    delimiters: Delimiters,
    pub(crate) missing_key: MissingKey,
    shared: Arc<FxHashMap<Str, Template>>,
    /// Templates that are not in `shared`, or that take the place of one there.
    own: Vec<(Str, Template)>,
}

/// A parsed template.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) tree: Arc<Tree>,
    pub(crate) root: NodeId,
}

impl Templates {
    /// Makes an empty set whose templates may call `functions`.
    #[must_use]
    pub fn new(functions: Functions) -> Self {
        Self {
            name: Str::default(),
            functions: Arc::new(functions),
            delimiters: Delimiters::default(),
            missing_key: MissingKey::default(),
            shared: Arc::default(),
            own: Vec::new(),
        }
    }

    /// Names the set; the name appears in the message about a template that there is not.
    #[must_use]
    pub fn named(mut self, name: impl Into<Str>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets what a field gives that a map does not have.
    #[must_use]
    pub fn missing_key(mut self, missing_key: MissingKey) -> Self {
        self.missing_key = missing_key;
        self
    }

    /// Sets the delimiters of actions, for texts that are parsed from now on. An empty one stands
    /// for Go's own.
    #[must_use]
    pub fn delimiters(mut self, left: impl Into<Str>, right: impl Into<Str>) -> Self {
        let default = Delimiters::default();
        let or = |text: Str, default| if text.is_empty() { default } else { text };
        self.delimiters = Delimiters {
            left: or(left.into(), default.left),
            right: or(right.into(), default.right),
        };
        self
    }

    /// Returns the functions that templates may call.
    #[must_use]
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Parses `text` as the template `name`, and adds it and all templates that it defines.
    ///
    /// A template takes the place of an earlier one of the same name, unless it is empty.
    ///
    /// # Errors
    /// Fails with Go's message if the text is not a template.
    pub fn parse(&mut self, name: impl Into<Str>, text: &str) -> Result<()> {
        let name = name.into();
        let (tree, definitions) = syntax::parse(&name, text, &self.delimiters, &self.functions)?;
        self.add(&Arc::new(tree), definitions);
        Ok(())
    }

    fn add(&mut self, tree: &Arc<Tree>, definitions: Vec<(Str, NodeId)>) {
        for (name, root) in definitions {
            if tree.is_empty(root) && self.get(&name).is_some() {
                continue;
            }
            let template = Template {
                tree: Arc::clone(tree),
                root,
            };
            if let Some(shared) = Arc::get_mut(&mut self.shared) {
                shared.insert(name, template);
                continue;
            }
            match self.own.iter_mut().find(|(own, _)| *own == name) {
                Some((_, own)) => *own = template,
                None => self.own.push((name, template)),
            }
            if self.own.len() > MAX_OWN {
                Arc::make_mut(&mut self.shared).extend(self.own.drain(..));
            }
        }
    }

    /// Parses `text` as part of a copy of the set.
    pub(crate) fn snippet(&self, name: &Str, text: &str) -> Result<Snippet> {
        let (tree, definitions) = syntax::parse(name, text, &self.delimiters, &self.functions)?;
        let tree = Arc::new(tree);
        let main = definitions
            .iter()
            .rev()
            .find(|(defined, _)| defined == name);
        let root = main.map_or(NodeId(0), |(_, root)| *root);
        let main = Template {
            tree: Arc::clone(&tree),
            root,
        };
        // A text that defines nothing else changes no other template, but its own name.
        let mut templates = self.clone();
        templates.add(&tree, definitions);
        Ok(Snippet {
            templates,
            name: name.clone(),
            main,
            origin: self.clone(),
        })
    }

    pub(crate) fn get(&self, name: &Str) -> Option<&Template> {
        self.own
            .iter()
            .find_map(|(own, template)| (own == name).then_some(template))
            .or_else(|| self.shared.get(name))
    }

    /// Tells whether there is a template of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(&Str::new(name)).is_some()
    }

    /// Returns the names of all templates, in order.
    #[must_use]
    pub fn names(&self) -> Vec<Str> {
        let mut names: Vec<Str> = self.shared.keys().cloned().collect();
        names.extend(self.own.iter().map(|(name, _)| name.clone()));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Executes a template and appends what it prints to `output`.
    ///
    /// # Errors
    /// Fails as Go does, and when a limit of the render is reached; what was printed before stays
    /// in the output.
    pub fn execute(
        &self,
        name: &str,
        data: Value,
        render: &mut Render,
        output: &mut Output,
    ) -> Result<()> {
        let name = Str::new(name);
        let template = self.find(&name)?;
        exec::execute(render, self, template, &name, data, output)
    }

    pub(crate) fn find(&self, name: &Str) -> Result<&Template> {
        self.get(name).ok_or_else(|| {
            Error::from(ErrorKind::NotFound {
                name: name.clone(),
                set: self.name.clone(),
            })
        })
    }

    /// Executes a template and returns what it prints.
    ///
    /// # Errors
    /// Fails as [`execute`](Templates::execute) does.
    pub fn render(&self, name: &str, data: Value, render: &mut Render) -> Result<String> {
        let mut output = Output::new();
        self.execute(name, data, render, &mut output)?;
        Ok(output.into_string())
    }

    /// Parses and executes a single text.
    ///
    /// # Errors
    /// Fails as [`parse`](Templates::parse) and [`execute`](Templates::execute) do.
    pub fn render_text(
        functions: Functions,
        text: &str,
        data: Value,
        options: RenderOptions,
    ) -> Result<String> {
        let mut templates = Self::new(functions);
        templates.parse("template", text)?;
        templates.render("template", data, &mut Render::new(options))
    }
}

/// A text that was parsed into a copy of a set while a template of the set was executed.
///
/// [`Context::parse`](crate::Context::parse) makes it.
#[derive(Debug)]
pub struct Snippet {
    pub(crate) templates: Templates,
    pub(crate) name: Str,
    pub(crate) main: Template,
    /// The set that it was parsed into a copy of.
    origin: Templates,
}

impl Snippet {
    /// Tells whether parsing the text into a copy of `templates` would give the same.
    pub(crate) fn copied_from(&self, templates: &Templates) -> bool {
        let same = |(a, b): (&(Str, Template), &(Str, Template))| {
            a.0 == b.0 && Arc::ptr_eq(&a.1.tree, &b.1.tree) && a.1.root == b.1.root
        };
        Arc::ptr_eq(&self.origin.shared, &templates.shared)
            && self.origin.own.len() == templates.own.len()
            && self.origin.own.iter().zip(&templates.own).all(same)
    }
}
