//! All that is decided about one item before a message names it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::arguments_check::ArgumentsCheck;
use crate::candidates::Candidates;
use crate::compile_error::CompileErrors;
use crate::explain::Explanation;
use crate::ids::{RuleId, Trace};
use crate::item_kind::ItemKind;
use crate::known_schema::KnownSchema;
use crate::limit::Limit;
use crate::principal::{Access, Principal};
use crate::schema::Invalid;
use crate::schema::violation::{MOST_VIOLATIONS, Violation};
use crate::target::TargetId;
use crate::text_part::TextPart;
use crate::tool_list::ListedSchema;
use crate::wire::Validate;

/// A schema that cannot be used.
#[derive(Clone, Debug)]
pub(crate) struct SchemaFlaw {
    /// The schema's name in the configuration.
    pub(crate) hash: TextPart,
    /// The rule whose constraints it is; none where it is the tool's own.
    pub(crate) rule: Option<(RuleId, Arc<str>)>,
    /// The faults of the schema; none where the configuration does not hold it.
    pub(crate) errors: Option<CompileErrors>,
}

/// A schema that judges calls. It is compiled when a call asks for that which may pass so far:
/// callers without rights have nothing compiled.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    pub(crate) schema: ListedSchema,
    /// The rule whose constraints it is; none where it is the tool's own.
    pub(crate) rule: Option<(RuleId, Arc<str>)>,
}

impl Judge {
    /// Whether there is a validator; if not, calls are refused that it would judge.
    fn is_sound(&self) -> bool {
        let known = self.schema.schema.as_ref();
        known.is_some_and(KnownSchema::is_sound)
    }

    /// Whether it judges even calls of which nothing is checked: a tool's own schema that is not
    /// read to its end might name headers that must say what the arguments say.
    #[inline(never)]
    fn judges_all(&self) -> bool {
        let known = self.schema.schema.as_ref();
        self.rule.is_none() && known.is_some_and(KnownSchema::is_too_large)
    }

    /// The schema, unless it judges nothing because nothing is checked.
    fn if_asked(&self, is_off: bool) -> Result<Option<&Arc<KnownSchema>>, Uncheckable> {
        if is_off && !self.judges_all() {
            return Ok(None);
        }
        let known = self.schema.schema.as_ref();
        let sound = known.filter(|known| known.is_sound());
        sound.map(Some).ok_or(Uncheckable)
    }

    /// Why there is no validator.
    #[inline(never)]
    fn flaw(&self) -> Option<SchemaFlaw> {
        if self.is_sound() {
            return None;
        }
        let known = self.schema.schema.as_ref();
        Some(SchemaFlaw {
            hash: self.schema.hash.clone(),
            rule: self.rule.clone(),
            errors: known.and_then(|known| known.compiled().faults.clone()),
        })
    }
}

/// The mark of arguments that are to be checked and cannot be.
#[derive(Debug)]
pub(crate) struct Uncheckable;

/// The schemas that a caller's arguments must fit, found once for all that is asked about a call:
/// none where nothing is to be checked, and everything can be read.
#[derive(Debug)]
pub(crate) struct Judges<'p> {
    own: Option<&'p Arc<KnownSchema>>,
    operators: Option<&'p Arc<KnownSchema>>,
}

impl<'p> Judges<'p> {
    /// The tool's own schema, and the operator's.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'p Arc<KnownSchema>> {
        self.own.into_iter().chain(self.operators)
    }

    /// Checks the arguments against all of them, of which one may have been checked while they were
    /// read.
    pub(crate) fn judge(
        &self,
        mut check: Option<ArgumentsCheck>,
        arguments: &[u8],
        max_depth: u32,
    ) -> Result<(), Invalid> {
        let mut all: Vec<Violation> = Vec::new();
        for schema in self.all() {
            let said = match check.take_if(|check| check.is_done_by(schema)) {
                Some(check) => check.into_outcome(),
                None => schema.compiled().schema.validate(arguments, max_depth),
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

/// The policy of one item: of each field its candidates. Only of tools arguments are checked.
#[derive(Debug)]
pub(crate) struct ItemPolicy {
    pub(crate) kind: ItemKind,
    /// The server's own name of it, short enough to be repeated.
    pub(crate) name: String,
    /// Nothing where no server has it, which never happens.
    pub(crate) target: Candidates<Option<TargetId>>,
    pub(crate) timeout: Candidates<Option<Duration>>,
    pub(crate) access: Candidates<Access>,
    pub(crate) validate: Candidates<Validate>,
    /// The tool's own schema.
    pub(crate) own: Option<Judge>,
    /// The operator's schema, laid over it.
    pub(crate) constraints: Candidates<Option<Judge>>,
    pub(crate) limits: Vec<Limit>,
    /// The policy as people read it, once somebody has asked.
    pub(crate) explanation: OnceLock<Box<Explanation>>,
}

impl ItemPolicy {
    /// The server's own name of the item.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The hash of the tool's own schema.
    pub(crate) fn own_hash(&self) -> Option<&str> {
        self.own.as_ref().map(|own| &*own.schema.hash)
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

    /// Whether nobody's arguments are checked.
    #[inline(never)]
    fn is_never_checked(&self) -> bool {
        self.validate.all().all(|one| one.value == Validate::Off)
    }

    /// The tool's own schema, where it names arguments that clients repeat in headers. They are
    /// compared even where nothing is checked: a server may read the one or the other.
    pub(crate) fn naming_headers(&self) -> Option<&Arc<KnownSchema>> {
        let own = self.own.as_ref()?.schema.schema.as_ref();
        own.filter(|own| own.names_headers())
    }

    /// The faults of all the schemas that judge somebody's calls. Compiles them.
    pub(crate) fn flaws(&self) -> impl Iterator<Item = SchemaFlaw> {
        let is_never_checked = self.is_never_checked();
        let operators = self.constraints.all().filter_map(|one| one.value.as_ref());
        let all = self.own.iter().chain(operators);
        all.filter(move |schema| !is_never_checked || schema.judges_all())
            .filter_map(Judge::flaw)
    }

    /// The schemas that judge a caller's arguments.
    ///
    /// # Errors
    /// The arguments are to be checked and cannot be: then every call is refused.
    // Several ask for it; it stands in the module once.
    #[inline(never)]
    pub(crate) fn judges(&self, principal: &Principal) -> Result<Judges<'_>, Uncheckable> {
        let is_off = self.validate.first(principal).value == Validate::Off;
        let operators = self.constraints.first(principal).value.as_ref();
        let own = self.own.as_ref();
        Ok(Judges {
            own: own.map_or(Ok(None), |own| own.if_asked(is_off))?,
            operators: operators.map_or(Ok(None), |judge| judge.if_asked(is_off))?,
        })
    }

    /// Begins to check a caller's arguments; nothing where no schema asks for them.
    pub(crate) fn begin_check(&self, principal: &Principal) -> Option<ArgumentsCheck> {
        let judges = self.judges(principal).ok()?;
        Some(ArgumentsCheck::new(judges.all().next()?))
    }

    /// Whether a schema judges a caller's arguments.
    pub(crate) fn checks(&self, principal: &Principal) -> bool {
        let judges = self.judges(principal);
        judges.is_ok_and(|judges| judges.all().next().is_some())
    }
}
