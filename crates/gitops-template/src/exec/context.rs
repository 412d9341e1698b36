//! What a function sees of the render.

use std::any::Any;
use std::rc::Rc;

use super::execute;
use crate::error::Result;
use crate::output::Output;
use crate::random::Random;
use crate::render::{Limits, Render};
use crate::template::{Snippet, Templates};
use crate::text::Str;
use crate::time::Time;
use crate::value::Value;

/// The render, as a function sees it that a template calls.
#[derive(Debug)]
pub struct Context<'a> {
    pub(crate) render: &'a mut Render,
    pub(super) templates: &'a Templates,
    pub(super) template: &'a Str,
}

impl<'a> Context<'a> {
    /// Returns the set that the calling template belongs to.
    #[must_use]
    pub const fn templates(&self) -> &'a Templates {
        self.templates
    }

    /// Returns the name of the template that calls.
    #[must_use]
    pub const fn template(&self) -> &'a Str {
        self.template
    }

    /// Executes a template of the same set and returns what it prints.
    ///
    /// # Errors
    /// Fails if there is no such template, and as the template does.
    pub fn render(&mut self, name: &Str, data: Value) -> Result<Str> {
        let template = self.templates.find(name)?;
        let mut output = self.render.take_output();
        let result = execute(
            self.render,
            self.templates,
            template,
            name,
            data,
            &mut output,
        );
        let text = output.to_str();
        self.render.give_output(output);
        result.map(|()| text)
    }

    /// Parses a text as the template `name` in a copy of the set. A text that was parsed before in
    /// this render, into the same set, is not parsed again.
    ///
    /// # Errors
    /// Fails if the text is not a template.
    pub fn parse(&mut self, name: &Str, text: &Str) -> Result<Rc<Snippet>> {
        let key = (name.clone(), text.clone());
        if let Some(snippet) = self.render.snippets.get(&key)
            && snippet.copied_from(self.templates)
        {
            return Ok(Rc::clone(snippet));
        }
        let snippet = Rc::new(self.templates.snippet(name, &text.to_text())?);
        self.render.snippets.insert(key, Rc::clone(&snippet));
        Ok(snippet)
    }

    /// Executes a text that [`parse`](Context::parse) returned.
    ///
    /// # Errors
    /// Fails as the template does.
    pub fn execute(&mut self, snippet: &Snippet, data: Value) -> Result<Str> {
        let mut output = self.render.take_output();
        let result = execute(
            self.render,
            &snippet.templates,
            &snippet.main,
            &snippet.name,
            data,
            &mut output,
        );
        let text = output.to_str();
        self.render.give_output(output);
        result.map(|()| text)
    }

    /// Executes a template of another set and appends what it prints to `output`.
    ///
    /// # Errors
    /// Fails as [`Templates::execute`] does.
    pub fn execute_in(
        &mut self,
        templates: &Templates,
        name: &str,
        data: Value,
        output: &mut Output,
    ) -> Result<()> {
        templates.execute(name, data, self.render, output)
    }

    /// Returns the host's value of the render, if it is of that type.
    #[must_use]
    pub fn host<T: Any>(&self) -> Option<Rc<T>> {
        self.render.host.clone()?.downcast().ok()
    }

    /// Returns the time of the render.
    #[must_use]
    pub fn now(&self) -> Time {
        self.render.now.clone()
    }

    /// Returns the random numbers of the render.
    pub fn random(&mut self) -> &mut Random {
        &mut self.render.random
    }

    /// Returns the limits of the render.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.render.limits
    }

    /// Counts steps of work that a function does, against the limit of the render.
    ///
    /// # Errors
    /// Fails when the limit is reached or the host wants to stop.
    pub fn spend(&mut self, steps: u64) -> Result<()> {
        self.render.spend(steps)
    }

    /// Checks the size of a value before it is made.
    ///
    /// # Errors
    /// Fails if it is more than the render may write.
    pub fn check_size(&self, bytes: u64) -> Result<()> {
        self.render.check_size(bytes)
    }

    /// Calls a function of the set by its name, with arguments that fit its signature.
    ///
    /// # Errors
    /// Fails if there is no such function, and as the function does.
    pub fn call(&mut self, name: &str, arguments: &mut [Value]) -> Result<Value> {
        match self.templates.functions().get(name) {
            Some(function) => function.call(self, arguments),
            None => Err(crate::error::Error::new(format!(
                "function \"{name}\" not defined"
            ))),
        }
    }
}
