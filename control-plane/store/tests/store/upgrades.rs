//! Stores of every earlier layout, with what a control plane of that layout had stored
//! (`tests/layouts/`), are brought to today's and hold everything that they held.

use std::path::{Path, PathBuf};

use migration_steps::{Step, migrator, migrator_in};
use store::{ConfigStore, Input, KeptAnswer, RevisionNumber, SqlStore};

use crate::places::Place;
use crate::samples::{by, revisions};

on_each_database!(it_brings_a_store_of_every_earlier_layout_to_todays_with_all_that_it_holds);

/// The steps of a database, and the rows of its layouts.
struct Layouts {
    steps: Vec<Step>,
    rows: PathBuf,
}

impl Layouts {
    fn of(place: &Place) -> Self {
        let (steps, rows) = match place {
            Place::File { .. } => ("migrations", "sqlite"),
            Place::Postgres(_) => ("postgres-migrations", "postgres"),
        };
        let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self {
            steps: steps_in(&crate_folder.join(steps)),
            rows: crate_folder.join("tests/layouts").join(rows),
        }
    }

    /// The rows that a layout brought; nothing where it brought no table.
    fn rows_of(&self, step: &Step) -> Option<String> {
        let name = format!("{:04}_{}.sql", step.number, step.title.replace(' ', "_"));
        std::fs::read_to_string(self.rows.join(name)).ok()
    }
}

fn steps_in(folder: &Path) -> Vec<Step> {
    let files = std::fs::read_dir(folder).expect("readable");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("readable").path()).collect();
    files.sort();
    let step = |path: PathBuf| {
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("text");
        let (number, title) = name.split_once('_').expect("a number and a title");
        let sql = std::fs::read_to_string(&path).expect("read");
        Step {
            number: number.parse().expect("a number"),
            title: title.replace('_', " ").leak(),
            sql: sql.leak(),
        }
    };
    files.into_iter().map(step).collect()
}

impl Place {
    /// Takes the store through these steps, as a control plane of that time did.
    async fn take(&self, steps: &[Step]) {
        match self {
            Self::File { file, .. } => {
                std::fs::create_dir_all(file.parent().expect("it has one")).expect("created");
                let options = sqlx::sqlite::SqliteConnectOptions::new()
                    .filename(file)
                    .create_if_missing(true);
                let pool = sqlx::SqlitePool::connect_with(options)
                    .await
                    .expect("opened");
                migrator(steps).run(&pool).await.expect("taken");
                pool.close().await;
            }
            Self::Postgres(_) => {
                let options = self.url().parse::<sqlx::postgres::PgConnectOptions>();
                let options = options.expect("an address");
                let options = options.options([("search_path", "portcullis_control_plane")]);
                let pool = sqlx::PgPool::connect_with(options).await.expect("opened");
                let migrator = migrator_in("portcullis_control_plane", "migrations", steps);
                migrator.run(&pool).await.expect("taken");
                pool.close().await;
            }
        }
    }

    async fn execute_all(&self, sql: &str) {
        let statements = sql.split(";\n").map(str::trim);
        for statement in statements.filter(|statement| !statement.is_empty()) {
            let done = self.execute(statement).await;
            done.unwrap_or_else(|error| panic!("{error}: {statement}"));
        }
    }
}

async fn it_brings_a_store_of_every_earlier_layout_to_todays_with_all_that_it_holds(first: Place) {
    let layouts = Layouts::of(&first);
    let mut place = Some(first);
    for taken in 1..=layouts.steps.len() {
        let place = match place.take() {
            Some(first) => first,
            None if layouts.rows.ends_with("sqlite") => Place::file(),
            None => Place::postgres().await,
        };
        let mut tables = Vec::new();
        for number in 1..=taken {
            place.take(&layouts.steps[..number]).await;
            let step = &layouts.steps[number - 1];
            if let Some(rows) = layouts.rows_of(step) {
                place.execute_all(&rows).await;
                tables.push(rows);
            }
        }
        let had = |table: &str| {
            let mut statements = tables.iter().flat_map(|sql| sql.split(";\n"));
            statements.any(|statement| {
                let mut words = statement.split_whitespace();
                words.any(|word| word == "INTO") && words.next() == Some(table)
            })
        };
        check_all(&place.open().await, had, taken).await;
    }
}

/// Checks that a store holds what the rows of its layouts say, and goes on from there.
async fn check_all(store: &SqlStore, had: impl Fn(&str) -> bool, taken: usize) {
    assert_eq!(revisions(store).await, [2, 1], "{taken}");
    let head = store.head().await.expect("read").expect("there is one");
    assert_eq!(
        (&*head.document, &*head.summary.author),
        ("{\"second\": 2}", "grace")
    );
    let catalogue = store
        .catalogues()
        .await
        .expect("read")
        .remove("data")
        .expect("there");
    assert_eq!(
        (&*catalogue.tools[0].name, catalogue.endpoint),
        ("query", String::new())
    );
    assert!(catalogue.since.contains_key("query"), "{taken}");
    let list = catalogue.hash;
    assert!(
        store.tool_list(&list).await.expect("read").is_some(),
        "{taken}"
    );
    assert_eq!(store.modules().await.expect("read").len(), 1, "{taken}");
    assert_eq!(
        store.audit(None, 9).await.expect("read").len(),
        3,
        "{taken}"
    );

    let accepted = store.accepted().await.expect("read");
    // What was accepted before its bytes were kept is judged once more.
    assert_eq!(accepted.len(), usize::from(had("content")), "{taken}");
    for accepted in &accepted {
        assert_eq!((&*accepted.generation, accepted.resources.len()), ("g1", 2));
        assert_eq!(accepted.resources[0].value, [0, 1]);
        let list = &accepted.lists["data"];
        assert_eq!((list.hash.as_str(), &*list.endpoint), ("h2", ""));
    }
    let last = store.last_accepted_revision(RevisionNumber(2)).await;
    let last = last.expect("read").map(|revision| revision.0);
    assert_eq!(last, had("content").then_some(1), "{taken}");
    let rejections = store.rejections().await.expect("read");
    assert_eq!(rejections.len(), usize::from(had("rejection")), "{taken}");
    let withheld = store.withheld().await.expect("read");
    assert_eq!(withheld.len(), usize::from(had("withheld")), "{taken}");
    let input = Input::Revision(RevisionNumber(2));
    assert!(withheld.iter().all(|withheld| withheld.input == input));
    let rollouts = store.rollouts().await.expect("read");
    assert_eq!(rollouts.len(), usize::from(had("rollout")), "{taken}");
    assert!(
        rollouts
            .iter()
            .all(|rollout| rollout.waves[0].nodes == ["envoy"])
    );
    let usual: usize = rollouts.iter().map(|rollout| rollout.usual.len()).sum();
    assert_eq!(usual, usize::from(had("rollout_usual")), "{taken}");
    let answer = store.answer("k").await.expect("read");
    assert_eq!(answer.is_some(), had("idempotency"), "{taken}");
    let is_whole = |answer| matches!(answer, KeptAnswer::Whole { body, .. } if body == b"{}");
    assert!(answer.is_none_or(|answer| is_whole(answer.answer)));

    let two = Some(RevisionNumber(2));
    let next = store.append(two, by("ada", "3")).await.expect("appended");
    assert_eq!(next.summary.number, RevisionNumber(3));
    assert_eq!(
        store.audit(None, 9).await.expect("read").len(),
        4,
        "{taken}"
    );
}
