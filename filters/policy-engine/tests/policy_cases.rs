//! The shared policy cases, natively. `tests/policy-cases/README.md` says what the files hold.
//!
//! Invariant 5 of `docs/architecture.md`.

#[path = "in_memory/store.rs"]
mod store;

use std::collections::BTreeMap;
use std::path::Path;

use policy_engine::settlement::Settled;
use policy_engine::wire::FilterConfig;
use policy_engine::{
    Arguments, Decision, ItemKind, MessageForm, Naming, Plan, Policy, Principal, Refusal,
    SchemaCache, UnixNanos, compile,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use store::Store;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    name: String,
    filter_config: FilterConfig,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    endpoint: Option<String>,
    tool: Option<String>,
    /// The method of a message that is no tool call.
    method: Option<String>,
    form: Option<Form>,
    #[serde(default)]
    params: serde_json::Value,
    #[serde(default, deserialize_with = "present")]
    arguments: Option<Box<RawValue>>,
    arguments_raw: Option<String>,
    principal: Option<KnownPrincipal>,
    repeat: Option<u32>,
    expect: Expect,
}

/// `null` is a value of the arguments, not their absence.
fn present<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(source).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownPrincipal {
    subject: String,
    claims: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(tag = "decision", rename_all = "lowercase", deny_unknown_fields)]
enum Expect {
    Allow {
        cluster: String,
        #[serde(default)]
        shadowed: usize,
    },
    Refuse {
        reason: String,
        pointer: Option<String>,
        #[serde(rename = "over_http")]
        _over_http: Option<String>,
    },
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Form {
    Notification,
}

/// A gateway in memory.
struct Gateway {
    policy: Policy,
    store: Store<'static>,
}

impl Gateway {
    fn new(config: &FilterConfig) -> Self {
        let policy = compile(config, &mut SchemaCache::default())
            .unwrap_or_else(|errors| panic!("{errors}"));
        Self {
            policy,
            store: Store::default(),
        }
    }

    fn call(&self, case: &Case) -> Result<Plan, Refusal> {
        let endpoint = self
            .policy
            .endpoint(case.endpoint.as_deref().unwrap_or("/mcp").as_bytes())
            .expect("the case's endpoint");
        let principal = match &case.principal {
            None => Principal::Anonymous,
            Some(KnownPrincipal { subject, claims }) => Principal::Known {
                subject: subject.clone(),
                claims: claims.clone(),
            },
        };
        if let Some(method) = &case.method {
            let form = match case.form {
                Some(Form::Notification) => MessageForm::Notification,
                None => MessageForm::Request,
            };
            let naming = naming(method, &case.params, form);
            let Some(item) = self.policy.item(endpoint, naming)? else {
                return match self.policy.closed_method(method.as_bytes(), form) {
                    Some(refusal) => Err(refusal),
                    None => Ok(self
                        .policy
                        .forward(endpoint)
                        .expect("the endpoint's server")),
                };
            };
            assert!(
                self.policy
                    .may_rule_on(endpoint, naming.kind, naming.method)
            );
            return self.settle(self.policy.decide(item, &principal, Arguments::NotRead));
        }
        let tool = case.tool.as_deref().expect("a tool or a method");
        let tool = self.policy.tool(endpoint, tool.as_bytes())?;
        let arguments = match (&case.arguments, &case.arguments_raw) {
            _ if !self.policy.needs_arguments(tool, &principal) => Arguments::NotRead,
            (_, Some(text)) => Arguments::Raw(text.as_bytes()),
            (Some(value), None) => Arguments::Raw(value.get().as_bytes()),
            (None, None) => Arguments::Absent,
        };
        self.settle(self.policy.decide(tool, &principal, arguments))
    }

    fn settle(&self, decision: Decision) -> Result<Plan, Refusal> {
        match decision {
            Decision::Refuse(refusal) => Err(refusal),
            Decision::Allow(plan) => Ok(plan),
            Decision::Limit(pending) => {
                // The clock stands still, so nothing comes back while a file runs.
                let now = UnixNanos(1_800_000_000_000_000_000);
                match self.store.settle(&self.policy, pending, now) {
                    Settled::Passed(plan) => Ok(plan),
                    Settled::Refused(refusal) => Err(refusal),
                    Settled::Unavailable(why) => panic!("{why}"),
                }
            }
        }
    }
}

/// The item that a message's `params` name.
fn naming<'a>(method: &'a str, params: &'a serde_json::Value, form: MessageForm) -> Naming<'a> {
    let reference = &params["ref"];
    let of_type = |kind: &'a str| ItemKind::of_reference(kind.as_bytes());
    let (kind, name) = match reference["type"].as_str().and_then(of_type) {
        Some(ItemKind::Prompt) => (ItemKind::Prompt, &reference["name"]),
        Some(kind) => (kind, &reference["uri"]),
        None => match ItemKind::of_method(method.as_bytes()) {
            ItemKind::Prompt => (ItemKind::Prompt, &params["name"]),
            ItemKind::Resource => (ItemKind::Resource, &params["uri"]),
            kind => (kind, &serde_json::Value::Null),
        },
    };
    Naming {
        kind,
        method: method.as_bytes(),
        name: name.as_str().unwrap_or(method).as_bytes(),
        form,
    }
}

fn judge(policy: &Policy, outcome: Result<Plan, Refusal>, expect: &Expect) -> Result<(), String> {
    match (outcome, expect) {
        (Ok(plan), Expect::Allow { cluster, shadowed }) => {
            let found = (policy.cluster(plan.target()), plan.shadowed().len());
            if found == (cluster, *shadowed) {
                Ok(())
            } else {
                Err(format!("allowed with {found:?}"))
            }
        }
        (
            Err(refusal),
            Expect::Refuse {
                reason, pointer, ..
            },
        ) => {
            if refusal.reason() != reason {
                return Err(format!("refused: {}", refusal.sentence()));
            }
            if refusal.sentence().len() > 4096 || refusal.sentence().contains('\n') {
                return Err(format!("says too much: {}", refusal.sentence()));
            }
            match (&refusal, pointer) {
                (Refusal::BadArguments { violations, .. }, Some(pointer))
                    if violations[0].pointer != *pointer =>
                {
                    Err(refusal.sentence())
                }
                (Refusal::Limited { .. }, _)
                    if refusal.retry_after_seconds().is_none_or(|wait| wait == 0) =>
                {
                    Err("no time to wait".into())
                }
                _ => Ok(()),
            }
        }
        (Ok(plan), Expect::Refuse { .. }) => {
            Err(format!("allowed to {}", policy.cluster(plan.target())))
        }
        (Err(refusal), Expect::Allow { .. }) => Err(format!("refused: {}", refusal.sentence())),
    }
}

#[test]
fn it_decides_every_policy_case_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/policy-cases");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    let mut count = 0;
    let mut wrong = Vec::new();
    for path in files {
        let file: CaseFile = serde_json::from_slice(&std::fs::read(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let gateway = Gateway::new(&file.filter_config);
        for case in &file.cases {
            for round in 1..=case.repeat.unwrap_or(1) {
                if let Err(reason) = judge(&gateway.policy, gateway.call(case), &case.expect) {
                    wrong.push(format!(
                        "{}: {} (round {round}): {reason}",
                        file.name, case.name
                    ));
                }
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 60, "only {count} policy cases were found");
}
