//! Records of the audit trail that somebody looks for.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};
use store::{AuditEntry, AuditFilter, ConfigStore, RevisionNumber, SqlStore};

use crate::places::Place;

on_each_database!(
    it_finds_the_records_that_fit_every_condition_page_by_page,
    it_answers_every_filter_from_an_index,
);

const DEEDS: [(&str, &str, &str, Option<u64>); 6] = [
    ("ada", "PUT /api/v1/config", "10.0.0.1", Some(2)),
    ("bob", "POST /api/v1/servers", "10.0.0.2", Some(3)),
    ("ada", "PUT /api/v1/servers/data", "10.0.0.1", Some(4)),
    ("bob", "start", "", None),
    ("ada", "PUT /api/v1/servers2/x", "10.0.0.2", None),
    (
        "ada",
        "POST /api/v1/servers/data/tools/a/approve",
        "10.0.0.2",
        None,
    ),
];

async fn record_all(store: &SqlStore) {
    for (who, what, origin, revision) in DEEDS {
        let entry = AuditEntry {
            who: who.to_owned(),
            what: what.to_owned(),
            revision: revision.map(RevisionNumber),
            origin: origin.to_owned(),
            reason: String::new(),
        };
        store.record(&entry).await.expect("recorded");
    }
}

/// The places of the records that fit, newest first, asked for in pages of two.
async fn found(store: &SqlStore, filter: &AuditFilter) -> Vec<u64> {
    let mut places = Vec::new();
    loop {
        let before = places.last().copied();
        let page = store.find_audit(filter, before, 2).await.expect("read");
        if page.is_empty() {
            return places;
        }
        places.extend(page.iter().map(|record| record.sequence));
    }
}

async fn it_finds_the_records_that_fit_every_condition_page_by_page(place: Place) {
    let store = place.open().await;
    record_all(&store).await;
    let text = |text: &str| Some(text.to_owned());
    let none = AuditFilter::default;
    let all = store.audit(None, 10).await.expect("read");
    let third = all[3].at;
    for (filter, expected) in [
        (none(), vec![6, 5, 4, 3, 2, 1]),
        (
            AuditFilter {
                who: text("ada"),
                ..none()
            },
            vec![6, 5, 3, 1],
        ),
        (
            AuditFilter {
                origin: text("10.0.0.2"),
                ..none()
            },
            vec![6, 5, 2],
        ),
        (
            AuditFilter {
                kind: text("servers"),
                ..none()
            },
            vec![6, 3, 2],
        ),
        (
            AuditFilter {
                kind: text("config"),
                ..none()
            },
            vec![1],
        ),
        (
            AuditFilter {
                kind: text("rules"),
                ..none()
            },
            vec![],
        ),
        (
            AuditFilter {
                what: text("PUT /api/v1/servers"),
                ..none()
            },
            vec![5, 3],
        ),
        (
            AuditFilter {
                what: text("%"),
                ..none()
            },
            vec![],
        ),
        (
            AuditFilter {
                revision: Some(RevisionNumber(4)),
                ..none()
            },
            vec![3],
        ),
        (
            AuditFilter {
                since: Some(third),
                ..none()
            },
            vec![6, 5, 4, 3],
        ),
        (
            AuditFilter {
                until: Some(third),
                ..none()
            },
            vec![2, 1],
        ),
        (
            AuditFilter {
                who: text("ada"),
                kind: text("servers"),
                since: Some(third),
                ..none()
            },
            vec![6, 3],
        ),
    ] {
        assert_eq!(found(&store, &filter).await, expected, "{filter:?}");
    }
}

async fn it_answers_every_filter_from_an_index(place: Place) {
    let store = place.open().await;
    record_all(&store).await;
    // A PostgreSQL goes by statistics, and reads a table of six rows in order.
    let Place::File { file, .. } = &place else {
        return;
    };
    let options = SqliteConnectOptions::new().filename(file);
    let mut file = SqliteConnection::connect_with(&options)
        .await
        .expect("opened");
    for (condition, index) in [
        ("who = 'ada'", "audit_by_who"),
        ("origin = 'x'", "audit_by_origin"),
        ("kind = 'x'", "audit_by_kind"),
        ("revision = 1", "audit_by_revision"),
    ] {
        let plan = format!(
            "EXPLAIN QUERY PLAN SELECT sequence FROM audit WHERE sequence < 9 AND {condition} \
             ORDER BY sequence DESC LIMIT 2"
        );
        let rows = sqlx::query(AssertSqlSafe(plan)).fetch_all(&mut file).await;
        let details = rows.expect("a plan").into_iter();
        let plan: Vec<String> = details.map(|row| row.get("detail")).collect();
        let plan = plan.join("; ");
        assert!(
            plan.contains(index) && !plan.contains("TEMP B-TREE"),
            "{plan}"
        );
    }
}
