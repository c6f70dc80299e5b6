//! Secrets come, are renewed, and go, by looks at their files.

use std::fs;
use std::path::PathBuf;

use gateway_document::{Format, parse};
use rcgen::generate_simple_self_signed;
use tempfile::TempDir;
use xds::Version;

use super::super::in_time::in_time;
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

    /// The problems of a change that brings these secrets.
    async fn problems(&self, document: &GatewayDocument) -> Vec<(String, String)> {
        self.problems_after(document, &nothing()).await
    }

    async fn problems_after(
        &self,
        document: &GatewayDocument,
        before: &GatewayDocument,
    ) -> Vec<(String, String)> {
        let read = self.keeper.read(document, before).await;
        let problems = read.err().unwrap_or_default();
        let problems = problems.into_iter();
        problems
            .map(|problem| (problem.path, problem.reason))
            .collect()
    }

    /// Looks at the files as often as a change takes.
    async fn look_twice(&self) {
        self.keeper.look().await;
        self.keeper.look().await;
    }
}

fn nothing() -> GatewayDocument {
    parse("{}", Format::Yaml).unwrap()
}

const TOKEN: &str = "token: {file: DIR/token}";
const PAIR: &str = "own: {certificate: {file: DIR/own.pem}, key: {file: DIR/own.key}}";

fn pair() -> (String, String) {
    let own = generate_simple_self_signed(["a.internal".to_owned()]).unwrap();
    (own.cert.pem(), own.signing_key.serialize_pem())
}

#[tokio::test]
async fn it_names_the_place_of_a_secret_that_cannot_be_read_and_a_file_that_may_be_meant() {
    let keeping = Keeping::new();
    keeping.write("tokens", "a");
    let document = keeping.document(TOKEN);
    let [(path, reason)] = &keeping.problems(&document).await[..] else {
        panic!("one problem");
    };
    assert_eq!(path, "/secrets/token/file");
    let meant = format!("did you mean `{}`?", keeping.path("tokens").display());
    assert!(reason.contains("there is no file"), "{reason}");
    assert!(reason.contains(&meant), "{reason}");

    let unset = keeping.document("token: {env: A_VARIABLE_THAT_NOBODY_SETS}");
    let [(path, reason)] = &keeping.problems(&unset).await[..] else {
        panic!("one problem");
    };
    assert_eq!(path, "/secrets/token/env");
    assert!(reason.contains("without a variable"), "{reason}");

    let folder = keeping.document("token: {file: DIR}");
    assert!(
        keeping.problems(&folder).await[0]
            .1
            .contains("is not a file")
    );
}

#[tokio::test]
async fn it_blames_the_part_that_is_at_fault_without_showing_it() {
    let keeping = Keeping::new();
    let ((chain, _), (_, other_key)) = (pair(), pair());
    keeping.write("own.pem", &chain);
    keeping.write("own.key", &other_key);
    let document = keeping.document(PAIR);
    let [(path, reason)] = &keeping.problems(&document).await[..] else {
        panic!("one problem");
    };
    assert_eq!(path, "/secrets/own/key/file");
    assert!(reason.contains("not that of the certificate"), "{reason}");
    keeping.write("own.pem", "swordfish");
    let [(path, reason)] = &keeping.problems(&document).await[..] else {
        panic!("one problem");
    };
    assert_eq!(path, "/secrets/own/certificate/file");
    assert!(reason.contains("holds no certificate"), "{reason}");
    assert!(!reason.contains("swordfish"), "{reason}");
}

#[tokio::test]
async fn it_blames_the_part_whose_file_does_not_answer_and_no_other_one() {
    let keeping = Keeping::new();
    let (chain, key) = pair();
    keeping.write("own.pem", &chain);
    keeping.write("own.key", &key);
    let document = keeping.document(PAIR);
    let (name, reference) = document.secrets.first_key_value().unwrap();
    let resource = reference.resource_name(name);
    let key = keeping.path("own.key");
    let reads = format!("{resource} {}", key.display());
    let (_answer, hanging) = std::sync::mpsc::channel::<()>();
    let mut hangs = Box::pin(in_time(&reads, &key, move |_| hanging.recv().is_ok()));
    assert!(futures::poll!(&mut hangs).is_pending());
    let expected = format!("`{}`: it was not read within", key.display());
    let [(path, reason)] = &keeping.problems(&document).await[..] else {
        panic!("one problem");
    };
    assert_eq!(path, "/secrets/own/key/file");
    assert!(reason.starts_with(&expected), "{reason}");
}

#[tokio::test]
async fn it_gives_envoys_a_secret_only_when_the_change_that_brings_it_is_made() {
    let keeping = Keeping::new();
    keeping.write("token", "one");
    let document = keeping.document(TOKEN);
    let read = keeping.keeper.read(&document, &nothing()).await.unwrap();
    assert_eq!(keeping.version(&document), None);
    keeping.keeper.keep(read);
    assert!(keeping.version(&document).is_some());
}

#[tokio::test]
async fn it_takes_a_renewed_secret_when_its_files_have_come_to_rest() {
    let keeping = Keeping::new();
    keeping.write("token", "one");
    let document = keeping.document(TOKEN);
    keeping.keeper.adopt(&document).await;
    let first = keeping.version(&document);
    keeping.look_twice().await;
    assert_eq!(keeping.version(&document), first);
    keeping.write("token", "two");
    keeping.keeper.look().await;
    assert_eq!(keeping.version(&document), first, "it may still be written");
    keeping.write("token", "three");
    keeping.keeper.look().await;
    assert_eq!(keeping.version(&document), first, "it was written again");
    keeping.keeper.look().await;
    let third = keeping.version(&document);
    assert_ne!(third, first);
    keeping.write("token", "three");
    keeping.look_twice().await;
    assert_eq!(keeping.version(&document), third, "it says the same");
}

#[tokio::test]
async fn it_keeps_the_secret_before_while_what_is_there_cannot_be_used() {
    let keeping = Keeping::new();
    let (chain, key) = pair();
    keeping.write("own.pem", &chain);
    keeping.write("own.key", &key);
    let document = keeping.document(PAIR);
    keeping.keeper.adopt(&document).await;
    let first = keeping.version(&document);
    let (next_chain, next_key) = pair();
    keeping.write("own.pem", &next_chain);
    keeping.look_twice().await;
    let half = keeping.status(&document);
    assert_eq!(half.given.map(|(version, _)| version), first);
    assert!(half.fault.unwrap().contains("not that of the certificate"));
    // What Envoys have holds up no change.
    assert_eq!(keeping.problems(&document).await, []);
    keeping.write("own.key", &next_key);
    keeping.look_twice().await;
    let whole = keeping.status(&document);
    assert_ne!(whole.given.map(|(version, _)| version), first);
    assert_eq!(whole.fault, None);
    fs::remove_file(keeping.path("own.key")).unwrap();
    keeping.look_twice().await;
    assert!(keeping.status(&document).fault.unwrap().contains("no file"));
    assert!(keeping.version(&document).is_some());
}

#[tokio::test]
async fn it_gives_a_secret_that_could_not_be_read_at_first_as_soon_as_it_can() {
    let keeping = Keeping::new();
    let document = keeping.document(TOKEN);
    keeping.keeper.adopt(&document).await;
    assert!(keeping.status(&document).fault.is_some());
    keeping.write("token", "one");
    keeping.look_twice().await;
    assert!(keeping.version(&document).is_some());
    assert_eq!(keeping.status(&document).fault, None);
}

#[tokio::test]
async fn it_lets_go_of_what_no_document_has_and_no_envoy_needs() {
    let keeping = Keeping::new();
    keeping.write("token", "one");
    let document = keeping.document(TOKEN);
    keeping.keeper.adopt(&document).await;
    keeping.keeper.retain([&document]);
    assert!(keeping.version(&document).is_some());
    for _ in 0..MOST_IDLE {
        assert!(keeping.version(&document).is_some());
        keeping.keeper.retain([]);
    }
    assert_eq!(keeping.version(&document), None);
}

#[tokio::test]
async fn it_shows_nothing_of_a_secret_in_a_log() {
    let keeping = Keeping::new();
    keeping.write("token", "swordfish");
    let document = keeping.document(TOKEN);
    keeping.keeper.adopt(&document).await;
    let shown = format!("{:?}", keeping.keeper);
    assert!(shown.contains("Credential(…)"), "{shown}");
    assert!(!shown.contains("swordfish"), "{shown}");
}

#[tokio::test]
async fn it_refuses_a_change_for_no_secret_that_was_named_before() {
    let keeping = Keeping::new();
    let document = |rest: &str| {
        let secrets = keeping.document(TOKEN).secrets;
        let mut document = parse(rest, Format::Yaml).unwrap();
        document.secrets = secrets;
        document
    };
    let server = "{url: 'http://127.0.0.1:1/mcp', credentials: {secret: token}}";
    let before = document(&format!("servers: {{a: {server}}}"));
    let harmless = document(&format!(
        "servers: {{a: {server}, b: {{url: 'http://127.0.0.1:2/mcp'}}}}"
    ));
    assert_eq!(keeping.problems_after(&harmless, &before).await, []);
    let named_again = document(&format!("servers: {{a: {server}, b: {server}}}"));
    let moved = keeping.document("token: {file: DIR/other}");
    for blamed in [named_again, moved] {
        let problems = keeping.problems_after(&blamed, &before).await;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].0, "/secrets/token/file");
    }
    // Nor does it wait for the files of one.
    assert!(keeping.keeper.has_all(&harmless, &before));
    let read = keeping.keeper.read(&harmless, &before).await.unwrap();
    assert!(read.0.is_empty());
    assert!(!keeping.keeper.has_all(&before, &nothing()));
}

#[tokio::test]
async fn it_has_all_of_a_change_once_that_is_read_and_kept() {
    let keeping = Keeping::new();
    keeping.write("token", "one");
    let document = keeping.document(TOKEN);
    assert!(!keeping.keeper.has_all(&document, &nothing()));
    let read = keeping.keeper.read(&document, &nothing()).await.unwrap();
    keeping.keeper.keep(read);
    assert!(keeping.keeper.has_all(&document, &nothing()));
}

#[tokio::test]
async fn it_reads_what_could_not_be_used_again_with_no_mark_of_a_change() {
    // A certificate becomes valid, and files can be opened again.
    for secret in [TOKEN, "token: {env: PATH}"] {
        let keeping = Keeping::new();
        keeping.write("token", "one");
        let document = keeping.document(secret);
        keeping.keeper.adopt(&document).await;
        let (name, reference) = document.secrets.first_key_value().unwrap();
        let resource = reference.resource_name(name);
        let marks = keeping.keeper.kept()[&resource].read.clone();
        let fault = Fault {
            at: String::new(),
            reason: "it cannot be used now".to_owned(),
        };
        assert!(keeping.keeper.note(&resource, marks, fault));
        assert!(keeping.keeper.look().await);
        assert_eq!(keeping.status(&document).fault, None);
    }
}

#[tokio::test]
async fn it_keeps_what_a_change_has_read_in_the_place_of_what_could_not_be_used() {
    let keeping = Keeping::new();
    let document = keeping.document(TOKEN);
    keeping.keeper.adopt(&document).await;
    keeping.write("token", "one");
    let read = keeping.keeper.read(&document, &nothing()).await.unwrap();
    keeping.keeper.keep(read);
    assert!(keeping.version(&document).is_some());
}

#[tokio::test]
async fn it_waits_neither_for_a_pipe_nor_for_a_device_without_end() {
    let keeping = Keeping::new();
    let pipe = keeping.path("token");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
    let document = keeping.document(TOKEN);
    let device = keeping.document("token: {file: /dev/zero}");
    for document in [&document, &device] {
        let [(path, reason)] = &keeping.problems(document).await[..] else {
            panic!("one problem");
        };
        assert_eq!(path, "/secrets/token/file");
        assert!(reason.contains("is not a file"), "{reason}");
    }
    keeping.keeper.adopt(&document).await;
    fs::remove_file(&pipe).unwrap();
    keeping.write("token", "one");
    keeping.look_twice().await;
    assert!(keeping.version(&document).is_some());
}

#[tokio::test]
async fn it_looks_for_the_systems_authorities_on_threads_that_nobody_waits_for() {
    let keeping = Keeping::new();
    let document = "servers: {a: {url: 'https://a.internal/mcp'}}";
    let document = parse(document, Format::Yaml).unwrap();
    let marks = || keeping.keeper.kept()[SYSTEM_AUTHORITIES].read.clone();
    keeping.keeper.adopt(&document).await;
    let adopted = marks();
    assert!(adopted.is_some(), "they answer");
    keeping.look_twice().await;
    assert_eq!(marks(), adopted);
}

#[test]
fn it_looks_once_at_the_places_that_name_secrets_however_many_there_are() {
    const MANY: usize = 1_000;
    let keeping = Keeping::new();
    let secrets = (0..MANY).map(|i| format!("t{i}: {{env: T{i}}}"));
    let servers = (0..MANY)
        .map(|i| format!("s{i}: {{url: 'http://s{i}/mcp', credentials: {{secret: t{i}}}}}"));
    let (secrets, servers): (Vec<_>, Vec<_>) = (secrets.collect(), servers.collect());
    let text = format!(
        "{{secrets: {{{}}}, servers: {{{}}}}}",
        secrets.join(", "),
        servers.join(", ")
    );
    let document = parse(&text, Format::Yaml).unwrap();
    let keeper = &keeping.keeper;
    let (has_all, steps) = step_count::taken_by(|| keeper.has_all(&document, &document));
    assert!(has_all);
    assert!(steps <= 4 * MANY as u64, "{steps} steps");
}
