//! Prompts by name: what a client lists, and how a request finds its code.

use futures::future::BoxFuture;
use rmcp::model::{Prompt as Listed, PromptArgument};

use super::{Argument, Arguments, Guide, Prompt, Surroundings};
use crate::known_names::NameKind;

type Write = for<'a> fn(&'a Surroundings<'a>, &'a Arguments) -> BoxFuture<'a, Guide>;

struct Entry {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    arguments: &'static [Argument],
    write: Write,
}

/// The prompts of a server, in the order in which they were added.
#[derive(Default)]
pub struct PromptRegistry {
    entries: Vec<Entry>,
}

impl PromptRegistry {
    /// Adds one prompt to the list.
    #[must_use]
    pub fn with<P: Prompt>(mut self) -> Self {
        self.entries.push(Entry {
            name: P::NAME,
            title: P::TITLE,
            description: P::DESCRIPTION,
            arguments: P::ARGUMENTS,
            write: |surroundings, arguments| Box::pin(P::write(surroundings, arguments)),
        });
        self
    }

    /// The prompts as a client sees them.
    pub fn list(&self) -> Vec<Listed> {
        let all = self.entries.iter().map(|entry| {
            let arguments = entry.arguments.iter().map(|argument| {
                PromptArgument::new(argument.name)
                    .with_description(argument.description)
                    .with_required(false)
            });
            Listed::new(
                entry.name,
                Some(entry.description),
                Some(arguments.collect()),
            )
            .with_title(entry.title)
        });
        all.collect()
    }

    /// The prompt of this name: its name, and the description that clients see.
    pub fn find(&self, name: &str) -> Option<(&'static str, &'static str)> {
        let entry = self.entry(name)?;
        Some((entry.name, entry.description))
    }

    /// The first of these arguments that the prompt does not have.
    pub fn unknown_argument<'a>(
        &self,
        name: &str,
        mut given: impl Iterator<Item = &'a str>,
    ) -> Option<&'a str> {
        let arguments = self.entry(name)?.arguments;
        given.find(|given| arguments.iter().all(|argument| argument.name != *given))
    }

    /// The names that an argument of a prompt can have; `None` when there is no such prompt or
    /// argument.
    pub fn names_of(&self, name: &str, argument: &str) -> Option<NameKind> {
        let mut arguments = self.entry(name)?.arguments.iter();
        let argument = arguments.find(|known| known.name == argument)?;
        Some(argument.names)
    }

    /// Writes the prompt of this name; `None` when there is none.
    pub async fn write(
        &self,
        name: &str,
        surroundings: &Surroundings<'_>,
        arguments: &Arguments,
    ) -> Option<Guide> {
        let entry = self.entry(name)?;
        Some((entry.write)(surroundings, arguments).await)
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}
