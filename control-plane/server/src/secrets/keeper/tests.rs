//! Secrets come, are renewed, and go, by looks at their files.

use std::fs;
use std::path::PathBuf;

use gateway_document::{Format, parse};
use rcgen::generate_simple_self_signed;
use tempfile::TempDir;

use super::*;

struct Keeping {
    keeper: SecretKeeper,
    folder: TempDir,
}

impl Keeping {
    fn new() -> Self {
        let key = VersionKey::new(&[7; 32]);
        Self {
            keeper: SecretKeeper::new(key, Publisher::new()),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Writes a file in the way of tools that renew certificates: beside, and then in its place.
    fn write(&self, file: &str, content: &str) {
        fs::write(self.path("beside"), content).unwrap();
        fs::rename(self.path("beside"), self.path(file)).unwrap();
    }

    /// A document with these secrets, where `DIR` is the folder.
    fn document(&self, secrets: &str) -> GatewayDocument {
        let folder = self.folder.path().display().to_string();
        let text = format!("secrets: {{{}}}", secrets.replace("DIR", &folder));
        parse(&text, Format::Yaml).unwrap()
    }

    fn status(&self, document: &GatewayDocument) -> SecretStatus {
        let (name, reference) = document.secrets.first_key_value().unwrap();
        self.keeper.status(name, reference)
    }

    fn version(&self, document: &GatewayDocument) -> Option<Version> {
        self.status(document).given.map(|(version, _)| version)
    }

    fn problems(&self, document: &GatewayDocument) -> Vec<(String, String)> {
        let problems = self.keeper.read(document).err().unwrap_or_default();
        let problems = problems.into_iter();
        problems
            .map(|problem| (problem.path, problem.reason))
            .collect()
    }

    /// Looks at the files as often as a change takes.
    fn look_twice(&self) {
        self.keeper.look();
        self.keeper.look();
    }
}

const TOKEN: &str = "token: {file: DIR/token}";
const PAIR: &str = "own: {certificate: {file: DIR/own.pem}, key: {file: DIR/own.key}}";

fn pair() -> (String, String) {
    let own = generate_simple_self_signed(["a.internal".to_owned()]).unwrap();
    (own.cert.pem(), own.signing_key.serialize_pem())
}

#[test]
fn it_names_the_place_of_a_secret_that_cannot_be_read_and_a_file_that_may_be_meant() {
    let keeping = Keeping::new();
    keeping.write("tokens", "a");
    let document = keeping.document(TOKEN);
    let [(path, reason)] = &keeping.problems(&document)[..] else {
        panic!("one problem");
    };
    assert_eq!(path, "/secrets/token/file");
    let meant = format!("did you mean `{}`?", keeping.path("tokens").display());
    assert!(reason.contains("there is no file"), "{reason}");
    assert!(reason.contains(&meant), "{reason}");

    let unset = keeping.document("token: {env: A_VARIABLE_THAT_NOBODY_SETS}");
    let [(path, reason)] = &keeping.problems(&unset)[..] else {
        panic!("one problem");
    };
    assert_eq!(path, "/secrets/token/env");
    assert!(reason.contains("without a variable"), "{reason}");

    let folder = keeping.document("token: {file: DIR}");
    assert!(keeping.problems(&folder)[0].1.contains("is not a file"));
}

#[test]
fn it_blames_the_part_that_is_at_fault_without_showing_it() {
    let keeping = Keeping::new();
    let ((chain, _), (_, other_key)) = (pair(), pair());
    keeping.write("own.pem", &chain);
    keeping.write("own.key", &other_key);
    let document = keeping.document(PAIR);
    let [(path, reason)] = &keeping.problems(&document)[..] else {
        panic!("one problem");
    };
    assert_eq!(path, "/secrets/own/key/file");
    assert!(reason.contains("not that of the certificate"), "{reason}");
    keeping.write("own.pem", "swordfish");
    let [(path, reason)] = &keeping.problems(&document)[..] else {
        panic!("one problem");
    };
    assert_eq!(path, "/secrets/own/certificate/file");
    assert!(reason.contains("holds no certificate"), "{reason}");
    assert!(!reason.contains("swordfish"), "{reason}");
}

#[test]
fn it_gives_envoys_a_secret_only_when_the_change_that_brings_it_is_made() {
    let keeping = Keeping::new();
    keeping.write("token", "one");
    let document = keeping.document(TOKEN);
    let read = keeping.keeper.read(&document).unwrap();
    assert_eq!(keeping.version(&document), None);
    keeping.keeper.keep(read);
    assert!(keeping.version(&document).is_some());
}

#[test]
fn it_takes_a_renewed_secret_when_its_files_have_come_to_rest() {
    let keeping = Keeping::new();
    keeping.write("token", "one");
    let document = keeping.document(TOKEN);
    keeping.keeper.adopt(&document);
    let first = keeping.version(&document);
    keeping.look_twice();
    assert_eq!(keeping.version(&document), first);
    keeping.write("token", "two");
    keeping.keeper.look();
    assert_eq!(keeping.version(&document), first, "it may still be written");
    keeping.write("token", "three");
    keeping.keeper.look();
    assert_eq!(keeping.version(&document), first, "it was written again");
    keeping.keeper.look();
    let third = keeping.version(&document);
    assert_ne!(third, first);
    keeping.write("token", "three");
    keeping.look_twice();
    assert_eq!(keeping.version(&document), third, "it says the same");
}

#[test]
fn it_keeps_the_secret_before_while_what_is_there_cannot_be_used() {
    let keeping = Keeping::new();
    let (chain, key) = pair();
    keeping.write("own.pem", &chain);
    keeping.write("own.key", &key);
    let document = keeping.document(PAIR);
    keeping.keeper.adopt(&document);
    let first = keeping.version(&document);
    let (next_chain, next_key) = pair();
    keeping.write("own.pem", &next_chain);
    keeping.look_twice();
    let half = keeping.status(&document);
    assert_eq!(half.given.map(|(version, _)| version), first);
    assert!(half.fault.unwrap().contains("not that of the certificate"));
    // What Envoys have holds up no change.
    assert_eq!(keeping.problems(&document), []);
    keeping.write("own.key", &next_key);
    keeping.look_twice();
    let whole = keeping.status(&document);
    assert_ne!(whole.given.map(|(version, _)| version), first);
    assert_eq!(whole.fault, None);
    fs::remove_file(keeping.path("own.key")).unwrap();
    keeping.look_twice();
    assert!(keeping.status(&document).fault.unwrap().contains("no file"));
    assert!(keeping.version(&document).is_some());
}

#[test]
fn it_gives_a_secret_that_could_not_be_read_at_first_as_soon_as_it_can() {
    let keeping = Keeping::new();
    let document = keeping.document(TOKEN);
    keeping.keeper.adopt(&document);
    assert!(keeping.status(&document).fault.is_some());
    keeping.write("token", "one");
    keeping.look_twice();
    assert!(keeping.version(&document).is_some());
    assert_eq!(keeping.status(&document).fault, None);
}

#[test]
fn it_lets_go_of_what_no_document_has_and_no_envoy_needs() {
    let keeping = Keeping::new();
    keeping.write("token", "one");
    let document = keeping.document(TOKEN);
    keeping.keeper.adopt(&document);
    keeping.keeper.retain([&document]);
    assert!(keeping.version(&document).is_some());
    for _ in 0..MOST_IDLE {
        assert!(keeping.version(&document).is_some());
        keeping.keeper.retain([]);
    }
    assert_eq!(keeping.version(&document), None);
}

#[test]
fn it_shows_nothing_of_a_secret_in_a_log() {
    let keeping = Keeping::new();
    keeping.write("token", "swordfish");
    let document = keeping.document(TOKEN);
    keeping.keeper.adopt(&document);
    let shown = format!("{:?}", keeping.keeper);
    assert!(shown.contains("Credential(…)"), "{shown}");
    assert!(!shown.contains("swordfish"), "{shown}");
}
