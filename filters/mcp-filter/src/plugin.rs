//! One configuration in force, and what outlives it.

use mcp_message::MessageBounds;
use policy_engine::slots::HashKey;
use policy_engine::statistics::configuration_number;
use policy_engine::wire::FilterConfig;
use policy_engine::{CompileErrors, Policy, SchemaCache, compile};
use proxy_host::Metrics;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::access_notes::AccessNotes;
use crate::look_alikes::LookAlikes;
use crate::passed_on::PassedOnBudget;
use crate::request_budget::RequestBudget;
use crate::statistics::{KnownMetrics, Statistics};

/// The state that a VM keeps from one configuration to the next.
pub struct VmState {
    schemas: SchemaCache,
    metrics: KnownMetrics,
    hash_key: [u8; 16],
    request_budget: RequestBudget,
    passed_on: PassedOnBudget,
}

impl VmState {
    /// The state of a VM that has just started; `hash_key` is the same in all VMs of the process
    /// ([`proxy_host::limits::shared_hash_key`]).
    #[must_use]
    pub fn new(hash_key: [u8; 16]) -> Self {
        Self {
            schemas: SchemaCache::new(),
            metrics: KnownMetrics::default(),
            hash_key,
            request_budget: RequestBudget::new(),
            passed_on: PassedOnBudget::default(),
        }
    }
}

/// Why a configuration was not taken.
#[derive(Debug, Error)]
pub enum ConfigureError {
    /// Not the JSON of a `FilterConfig`.
    #[error("the configuration is not a FilterConfig: {0}")]
    NotAConfiguration(String),
    /// It says something that cannot be.
    #[error("the configuration does not compile: {0}")]
    DoesNotCompile(#[from] CompileErrors),
}

/// A configuration in force.
pub struct Plugin {
    pub(crate) policy: Policy,
    pub(crate) statistics: Statistics,
    pub(crate) access_notes: AccessNotes,
    pub(crate) hash_key: HashKey,
    pub(crate) limits: MessageBounds,
    pub(crate) endpoint_look_alikes: LookAlikes,
    pub(crate) request_budget: RequestBudget,
    pub(crate) passed_on: PassedOnBudget,
}

impl Plugin {
    /// Compiles a configuration and makes room for its bodies.
    ///
    /// # Errors
    /// The JSON is no valid `FilterConfig`; the previous one stays in force.
    pub fn configure(
        json: &[u8],
        vm: &mut VmState,
        host: &impl Metrics,
    ) -> Result<Self, ConfigureError> {
        let config: FilterConfig = serde_json::from_slice(json)
            .map_err(|error| ConfigureError::NotAConfiguration(error.to_string()))?;
        let policy = compile(&config, &mut vm.schemas)?;
        let statistics = Statistics::new(&vm.metrics, &policy);
        let number = configuration_number(Sha256::digest(json).into());
        statistics.configured(host, &config.listener, number);
        let body = policy.limits();
        let limits = MessageBounds {
            max_bytes: body.max_body_bytes,
            max_depth: usize::try_from(body.max_depth).unwrap_or(usize::MAX),
            ..MessageBounds::default()
        };
        let endpoint_look_alikes = LookAlikes::of(policy.endpoint_paths());
        vm.request_budget.admit(limits.max_bytes);
        vm.passed_on.admit(limits.max_bytes);
        Ok(Self {
            request_budget: vm.request_budget.clone(),
            passed_on: vm.passed_on.clone(),
            endpoint_look_alikes,
            policy,
            statistics,
            access_notes: AccessNotes::new(config.access_log, number),
            hash_key: HashKey(vm.hash_key),
            limits,
        })
    }
}
