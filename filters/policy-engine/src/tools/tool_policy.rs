//! All that is decided about one tool before it is called.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::SchemaFlaw;
use super::arguments_check::ArgumentsCheck;
use crate::candidates::Candidates;
use crate::decision::Limit;
use crate::explain::Explanation;
use crate::ids::Trace;
use crate::principal::{Access, Principal};
use crate::schema::header_parameters::HeaderParameter;
use crate::schema::violation::{MOST_VIOLATIONS, Violation};
use crate::schema::{Invalid, Schema};
use crate::target::TargetId;
use crate::wire::Validate;

/// The validator of a schema, or why there is none; then calls are refused that it would judge.
pub(crate) type Compiled = Result<Arc<Schema>, SchemaFlaw>;

/// The policy of one tool: of each field its candidates.
#[derive(Debug)]
pub(crate) struct ToolPolicy {
    /// The server's own name of the tool.
    pub(super) name: String,
    /// Nothing where no server has it, which never happens.
    pub(crate) target: Candidates<Option<TargetId>>,
    pub(crate) timeout: Candidates<Option<Duration>>,
    pub(crate) access: Candidates<Access>,
    pub(crate) validate: Candidates<Validate>,
    /// The tool's own schema; none where nothing is ever to be checked.
    pub(crate) own: Option<Compiled>,
    /// The operator's schema, laid over it.
    pub(crate) constraints: Candidates<Option<Compiled>>,
    /// The arguments that clients repeat in headers, by the tool's own schema.
    pub(crate) headers: Arc<[HeaderParameter]>,
    pub(crate) limits: Vec<Limit>,
    /// The policy as people read it, once somebody has asked.
    pub(super) explanation: OnceLock<Box<Explanation>>,
}

impl ToolPolicy {
    /// The server's own name of the tool.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The rules that decide about the calls of a caller.
    pub(crate) fn trace(&self, principal: &Principal) -> Trace {
        Trace {
            allow: self.access.first(principal).rule,
            validate: self.validate.first(principal).rule,
            constraints: self.constraints.first(principal).rule,
            timeout: self.timeout.first(principal).rule,
            route: self.target.first(principal).rule,
        }
    }

    /// The faults of all its schemas, whoever calls.
    pub(crate) fn flaws(&self) -> impl Iterator<Item = &SchemaFlaw> {
        let operators = self.constraints.all().filter_map(|one| one.value.as_ref());
        let all = self.own.iter().chain(operators);
        all.filter_map(|schema| schema.as_ref().err())
    }

    /// The schemas that a caller's arguments must fit: the tool's own and the operator's; none
    /// where nothing is to be checked.
    fn wanted(&self, principal: &Principal) -> impl Iterator<Item = &Compiled> {
        let is_off = self.validate.first(principal).value == Validate::Off;
        let operators = self.constraints.first(principal).value.as_ref();
        let all = self.own.iter().chain(operators);
        all.filter(move |_| !is_off)
    }

    /// Whether a caller's arguments are to be checked and cannot be: then every call is refused.
    pub(crate) fn is_uncheckable(&self, principal: &Principal) -> bool {
        self.wanted(principal).any(Result::is_err)
    }

    /// The schemas that judge a caller's arguments; none where nothing is to be checked, or not
    /// everything can be.
    fn schemas(&self, principal: &Principal) -> impl Iterator<Item = &Arc<Schema>> {
        let is_uncheckable = self.is_uncheckable(principal);
        let wanted = self.wanted(principal).flatten();
        wanted.filter(move |_| !is_uncheckable)
    }

    /// Begins to check a caller's arguments; nothing where no schema asks for them.
    pub(crate) fn begin_check(&self, principal: &Principal) -> Option<ArgumentsCheck> {
        let schema = self.schemas(principal).next()?;
        Some(ArgumentsCheck::new(Arc::clone(schema)))
    }

    pub(crate) fn checks(&self, principal: &Principal) -> bool {
        self.schemas(principal).next().is_some()
    }

    /// Checks the arguments against all of the tool's schemas, of which one may have been checked
    /// while they were read.
    pub(crate) fn judge(
        &self,
        principal: &Principal,
        mut check: Option<ArgumentsCheck>,
        arguments: &[u8],
        max_depth: u32,
    ) -> Result<(), Invalid> {
        let mut all: Vec<Violation> = Vec::new();
        for schema in self.schemas(principal) {
            let said = match check.take_if(|check| check.is_done_by(schema)) {
                Some(check) => check.into_outcome(),
                None => schema.validate(arguments, max_depth),
            };
            match said {
                Ok(()) => {}
                Err(Invalid::Misfit(violations)) => all.extend(violations),
                Err(unreadable) => return Err(unreadable),
            }
        }
        all.truncate(MOST_VIOLATIONS);
        if all.is_empty() {
            Ok(())
        } else {
            Err(Invalid::Misfit(all))
        }
    }
}
