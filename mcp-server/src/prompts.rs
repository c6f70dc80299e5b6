//! The prompts: one file each, one line each in [`PromptRegistry::all`].
//!
//! A prompt file holds a unit struct that implements [`Prompt`]. Given the name of a table, a job,
//! a statement or an error it looks at the real one, by the very tools that clients call, and
//! writes a guide to what is to be done; given nothing it writes the general guide. What it has
//! read goes into a [`Guide`] as data, never as advice.

mod data_pipeline_template;
mod error_troubleshooting;
mod guide;
mod registry;
mod spark_optimization;
mod sql_best_practices;
mod surroundings;
mod table_facts;

use std::collections::BTreeMap;
use std::future::Future;

use crate::known_names::NameKind;

pub use guide::Guide;
pub use registry::PromptRegistry;
pub use surroundings::Surroundings;

impl PromptRegistry {
    /// Every prompt of this server, in the order of the list that clients see.
    pub fn all() -> Self {
        Self::default()
            .with::<data_pipeline_template::DataPipelineTemplate>()
            .with::<spark_optimization::SparkOptimization>()
            .with::<sql_best_practices::SqlBestPractices>()
            .with::<error_troubleshooting::ErrorTroubleshooting>()
    }
}

/// One prompt that clients can get.
pub trait Prompt: Send + Sync + 'static {
    /// The name that clients get it by.
    const NAME: &'static str;
    /// For people: a few words.
    const TITLE: &'static str;
    /// For people who choose a prompt: what it gives, and what it needs for that.
    const DESCRIPTION: &'static str;
    /// The arguments. All may be left out.
    const ARGUMENTS: &'static [Argument];

    /// Writes the guide for these arguments. What cannot be looked at is no failure: the guide says
    /// so and goes on.
    fn write(
        surroundings: &Surroundings<'_>,
        arguments: &Arguments,
    ) -> impl Future<Output = Guide> + Send;
}

/// An argument of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// The name of the argument.
    pub name: &'static str,
    /// For people who fill it in.
    pub description: &'static str,
    /// The names that it can have.
    pub names: NameKind,
}

impl Argument {
    /// The argument by which a caller chooses one of this server's databases.
    const DATABASE: Self = Self {
        name: "database",
        description: "Name of a database; `default` when left out",
        names: NameKind::Database,
    };
}

/// The arguments that a client gave, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments(BTreeMap<String, String>);

impl Arguments {
    /// The argument of this name, where it was given and is not blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        let text = self.0.get(name)?.trim();
        (!text.is_empty()).then_some(text)
    }

    /// Whether none was given.
    pub fn are_none(&self) -> bool {
        self.0.keys().all(|name| self.get(name).is_none())
    }
}

impl FromIterator<(String, String)> for Arguments {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}
