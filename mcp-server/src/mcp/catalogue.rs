//! The things that a server offers.

use crate::config::Config;
use crate::prompts::PromptRegistry;
use crate::resources::ResourceRegistry;
use crate::tools::Registry;

/// The tools, resources and prompts that a server offers; the same as long as it runs.
#[derive(Default)]
pub struct Catalogue {
    /// The tools that clients can call.
    pub tools: Registry,
    /// The resources that clients can read.
    pub resources: ResourceRegistry,
    /// The prompts that clients can get.
    pub prompts: PromptRegistry,
}

impl Catalogue {
    /// Everything of this server that its configuration offers.
    ///
    /// # Errors
    /// When the configuration chooses a tool that does not exist, or withholds one that another
    /// setting is about.
    pub fn offered(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            tools: Registry::offered(config)?,
            resources: ResourceRegistry::offered(config),
            prompts: PromptRegistry::all(),
        })
    }
}
