//! One configuration in force, and what outlives it.

use std::rc::Rc;

use policy_engine::slots::HashKey;
use policy_engine::statistics::configuration_number;
use policy_engine::wire::travel;
use policy_engine::{CompileErrors, Policy, SchemaCache, compile};
use proxy_host::Metrics;
use request_path::{Budgets, Settings};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::access_notes::AccessNotes;
use crate::statistics::{KnownMetrics, Statistics};

/// The state that a VM keeps from one configuration to the next.
pub struct VmState {
    schemas: SchemaCache,
    metrics: KnownMetrics,
    hash_key: [u8; 16],
    budgets: Budgets,
}

impl VmState {
    /// The state of a VM that has just started; `hash_key` is the same in all VMs of the process
    /// ([`proxy_host::shared_hash_key`]).
    #[must_use]
    pub fn new(hash_key: [u8; 16]) -> Self {
        Self {
            schemas: SchemaCache::new(),
            metrics: KnownMetrics::default(),
            hash_key,
            budgets: Budgets::default(),
        }
    }
}

/// Why a configuration was not taken.
#[derive(Debug, Error)]
pub enum ConfigureError {
    /// The bytes are not a `FilterConfig`.
    #[error("the configuration is not a FilterConfig: {0}")]
    NotAConfiguration(String),
    /// It says something that cannot be.
    #[error("the configuration does not compile: {0}")]
    DoesNotCompile(#[from] CompileErrors),
}

/// A configuration in force.
pub struct Plugin {
    pub(crate) settings: Rc<Settings>,
    pub(crate) statistics: Statistics,
    pub(crate) access_notes: AccessNotes,
}

impl Plugin {
    /// Compiles a configuration and makes room for its bodies.
    ///
    /// # Errors
    /// The bytes are no valid `FilterConfig`; the previous one stays in force.
    pub fn configure(
        bytes: &[u8],
        vm: &mut VmState,
        host: &impl Metrics,
    ) -> Result<Self, ConfigureError> {
        let config = travel::decode(bytes, &mut vm.schemas)
            .map_err(|error| ConfigureError::NotAConfiguration(error.to_string()))?;
        let policy = compile(&config, &mut vm.schemas)?;
        let statistics = Statistics::new(&vm.metrics, &policy);
        let number = configuration_number(Sha256::digest(travel::json_of(bytes)).into());
        statistics.configured(host, &config.listener, number);
        let settings = Settings::new(policy, HashKey(vm.hash_key), &vm.budgets);
        Ok(Self {
            settings: Rc::new(settings),
            statistics,
            access_notes: AccessNotes::new(config.access_log, number),
        })
    }

    /// The compiled policy of the configuration.
    pub(crate) fn policy(&self) -> &Policy {
        self.settings.policy()
    }
}
