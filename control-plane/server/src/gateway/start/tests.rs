//! A start makes again what it needs of what is stored, and no more.

use std::collections::BTreeMap;
use std::path::Path;

use store::{Catalogue, Module, NewRevision, RawTool, SqlStore};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::module::ModuleShelf;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn module_at(path: &Path) -> ModuleFile {
    ModuleFile {
        sha256: "00".to_owned(),
        path: path.to_owned(),
        shelf: ModuleShelf::default(),
    }
}

fn revision_of(document: &str) -> NewRevision {
    NewRevision {
        document: document.to_owned(),
        author: String::new(),
        reason: String::new(),
        action: String::new(),
        origin: String::new(),
        modules: Vec::new(),
    }
}

/// A store with so many revisions that say the same.
async fn store_of(revisions: u64) -> (SqlStore, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control-plane.db");
    let store = SqlStore::open(path.as_path()).await.unwrap();
    let mut head = None;
    for _ in 0..revisions {
        let stored = store.append(head, revision_of("{}")).await.unwrap();
        head = Some(stored.summary.number);
    }
    (store, folder)
}

/// How much looser the accepted revision may be than one of so many after it, and in how many steps
/// that is found out.
fn look_at(revisions: u64) -> (Looser, u64) {
    let (runtime, module) = (runtime(), module_at("/modules/00.wasm".as_ref()));
    let lists = StoredLists::new(BTreeMap::new());
    let (store, _folder) = runtime.block_on(store_of(revisions + 1));
    let first = runtime.block_on(store.revision(RevisionNumber(1)));
    let good = make_again(&first.unwrap().unwrap(), &lists, &module).unwrap();
    let head = RevisionNumber(revisions + 1);
    let nothing = BTreeSet::new();
    let (answer, steps) = step_count::taken_by(|| {
        runtime.block_on(looser_than_one(&store, &nothing, head, &good, &lists))
    });
    (answer.unwrap(), steps)
}

#[test]
fn it_remakes_a_bounded_number_of_revisions_however_many_were_never_accepted() {
    let (looser, steps_of_one) = look_at(1);
    assert!(looser == Looser::Not && steps_of_one > 0);
    let (looser, most) = look_at(MOST_REMADE);
    assert!(looser == Looser::Not && most == MOST_REMADE * steps_of_one);
    assert_eq!(look_at(4 * MOST_REMADE), (Looser::More, most));
}

/// How long the schema of a tool is at least, so that reading one stands out.
const LONG: usize = 100_000;

#[test]
fn it_reads_each_schema_once_however_many_generations_a_start_makes_again() {
    let (runtime, folder) = (runtime(), tempfile::tempdir().unwrap());
    let module = module_at(&folder.path().join("00.wasm"));
    std::fs::write(&module.path, b"\0asm\x01\0\0\0").unwrap();
    let store = runtime.block_on(async {
        let path = folder.path().join("control-plane.db");
        let store = SqlStore::open(path.as_path()).await.unwrap();
        let record = Module {
            sha256: module.sha256.clone(),
            bytes: 8,
            path: module.path.clone(),
            since: OffsetDateTime::UNIX_EPOCH,
        };
        store.put_module(&record).await.unwrap();
        let text = "x".repeat(LONG);
        let tool = RawTool {
            name: "long".to_owned(),
            json: format!(r#"{{"name":"long","inputSchema":{{"description":"{text}"}}}}"#),
        };
        let (server, protocol) = ("data".to_owned(), "2026-07-28".to_owned());
        let list = Catalogue::new(server, protocol, OffsetDateTime::UNIX_EPOCH, vec![tool]);
        store.put_catalogue(&list).await.unwrap();
        let lists = StoredLists::new(store.catalogues().await.unwrap());
        for seconds in 1..=4 {
            let head = store.head().await.unwrap().map(|head| head.summary.number);
            let document = format!(
                r#"{{"servers":{{"data":{{"url":"http://127.0.0.1:9/mcp"}}}},
                    "tools":[{{"name":"r","match":{{"tool":"long"}},"timeout":"{seconds}s"}}]}}"#
            );
            let revision = store.append(head, revision_of(&document)).await.unwrap();
            let built = make_again(&revision, &lists, &module).unwrap();
            // The newest is to be made again and judged.
            if seconds < 4 {
                store.add_accepted(&built.to_stored()).await.unwrap();
            }
        }
        store
    });
    let (started, steps) = step_count::taken_by(|| {
        let client = CatalogueClient::new();
        let document = GatewayDocument::default();
        let start = Gateway::start(Arc::new(store), Publisher::new(), client, module, document);
        runtime.block_on(start)
    });
    let (gateway, _actor) = started.unwrap();
    assert_eq!(gateway.read().earlier.len(), 2);
    // The compiler looks at its texts once more.
    assert!(
        (LONG as u64..3 * LONG as u64).contains(&steps),
        "{steps} steps"
    );
}
