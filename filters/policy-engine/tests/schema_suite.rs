//! The mandatory part of the JSON-Schema-Test-Suite for draft 2020-12 and draft-07, but for what
//! needs a remote reference, which is never fetched.
//!
//! A schema that compiles judges as the suite says, without exception. The schemas that do not
//! compile, and the instances that not everyone would read alike, are listed in
//! `tests/schema-suite-refusals.txt`: `UPDATE_GOLDEN=1` writes it anew.
//!
//! `make test` brings the suite (`setup/parts.py`, `json-schema-suite`).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use policy_engine::{Invalid, MAX_DEPTH, compile_schema};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

const DRAFTS: [(&str, &str); 2] = [
    (
        "draft2020-12",
        "https://json-schema.org/draft/2020-12/schema",
    ),
    ("draft7", "http://json-schema.org/draft-07/schema#"),
];

#[derive(Deserialize)]
struct Group {
    description: String,
    schema: Value,
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    description: String,
    data: Box<RawValue>,
    valid: bool,
}

impl Group {
    /// Whether the schema refers to another document.
    fn is_remote(&self) -> bool {
        let text = self.schema.to_string();
        ["localhost:1234", r#""$ref":"http"#]
            .iter()
            .any(|sign| text.contains(sign))
    }
}

fn suite() -> PathBuf {
    let home = std::env::var("PORTCULLIS_HOME").unwrap_or_else(|_| {
        let home = std::env::var("HOME").expect("a home");
        format!("{home}/.cache/portcullis")
    });
    Path::new(&home).join("json-schema-suite/tests")
}

/// The files of a draft, in the order of their names.
fn files(draft: &str) -> Vec<PathBuf> {
    let folder = suite().join(draft);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| {
        panic!(
            "`{}`: {error}; run `python3 setup/setup.py test`",
            folder.display()
        )
    });
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .filter(|path| !path.ends_with("refRemote.json"))
        .collect();
    files.sort();
    assert!(files.len() > 30, "{}", folder.display());
    files
}

/// The groups and cases of one file, counted by what became of them.
#[derive(Default)]
struct Tally {
    groups: usize,
    remote: usize,
    judged: usize,
    refused: usize,
    /// The last segments of what does not compile.
    reasons: BTreeSet<String>,
    /// Descriptions of the cases that are not read.
    unread: Vec<String>,
}

fn judge(group: &Group, schema: &Value, tally: &mut Tally, place: &str) {
    let raw = RawValue::from_string(schema.to_string()).expect("a schema");
    let compiled = match compile_schema(&raw) {
        Ok(compiled) => compiled,
        Err(errors) => {
            tally.refused += 1;
            let keyword = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
            tally
                .reasons
                .extend(errors.iter().map(|error| keyword(&error.path)));
            return;
        }
    };
    for case in &group.tests {
        let outcome = compiled.validate(case.data.get().as_bytes(), MAX_DEPTH);
        if let Err(Invalid::Unreadable(_)) = outcome {
            let (group, case) = (&group.description, &case.description);
            tally.unread.push(format!("{group}: {case}"));
            continue;
        }
        tally.judged += 1;
        assert_eq!(
            outcome.is_ok(),
            case.valid,
            "{place}: {}: {}: {schema} on {}: {outcome:?}",
            group.description,
            case.description,
            case.data
        );
    }
}

/// The list of refusals, as this build has them, and how many cases were judged.
fn refusals() -> (String, usize) {
    let (mut list, mut judged) = (String::new(), 0);
    for (draft, dialect) in DRAFTS {
        for file in files(draft) {
            let name = file
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let place = format!("{draft}/{name}");
            let text = fs::read_to_string(&file).expect("a file of the suite");
            let groups: Vec<Group> = serde_json::from_str(&text).expect("groups");
            let mut tally = Tally::default();
            for group in &groups {
                tally.groups += 1;
                if group.is_remote() {
                    tally.remote += 1;
                    continue;
                }
                let mut schema = group.schema.clone();
                if let Some(members) = schema.as_object_mut() {
                    members.entry("$schema").or_insert_with(|| dialect.into());
                }
                judge(group, &schema, &mut tally, &place);
            }
            judged += tally.judged;
            let Tally {
                groups,
                remote,
                refused,
                reasons,
                unread,
                ..
            } = tally;
            if remote > 0 {
                let _ = writeln!(
                    list,
                    "{place}: {remote} of {groups} refer to other documents"
                );
            }
            if refused > 0 {
                let reasons: Vec<String> = reasons.into_iter().collect();
                let reasons = reasons.join(", ");
                let _ = writeln!(
                    list,
                    "{place}: {refused} of {groups} do not compile: {reasons}"
                );
            }
            for case in unread {
                let _ = writeln!(list, "{place}: not read: {case}");
            }
        }
    }
    (list, judged)
}

#[test]
fn it_judges_as_the_suite_says_and_lists_what_it_refuses() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema-suite-refusals.txt");
    let (list, judged) = refusals();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &list).expect("the list can be written");
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(list, expected, "`UPDATE_GOLDEN=1` writes the list anew");
    assert!(judged > 500, "{judged}");
}
