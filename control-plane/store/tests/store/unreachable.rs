//! A PostgreSQL that is gone for a while, and one that was never there.

use std::error::Error as _;
use std::time::Duration;

use store::{AppendError, ConfigStore, OpenError, RevisionNumber, SqlStore, StoreAddress};
use tokio::net::TcpListener;

use crate::database::PASSWORD;
use crate::places::Place;
use crate::samples::{append, by, revisions};
use crate::way::Way;

#[tokio::test]
async fn it_refuses_writes_while_postgresql_is_gone_and_takes_them_when_it_is_back() {
    let place = Place::postgres().await;
    let Place::Postgres(database) = &place else {
        unreachable!("it is one");
    };
    let mut way = Way::to(database.port).await;
    let url = format!(
        "postgres://postgres:{PASSWORD}@{}/{}",
        way.address, database.name
    );
    let store = SqlStore::open(url.as_str()).await.expect("the store opens");
    append(&store, 2).await;
    way.cut().await;
    let two = Some(RevisionNumber(2));
    let refused = store.append(two, by("ada", "3")).await.expect_err("gone");
    assert!(matches!(refused, AppendError::Store(_)), "{refused}");
    store.head().await.expect_err("gone");
    way.mend().await;
    assert_eq!(revisions(&store).await, [2, 1]);
    let three = store.append(two, by("ada", "3")).await.expect("appended");
    assert_eq!(three.summary.number, RevisionNumber(3));
}

#[tokio::test]
async fn it_gives_up_a_postgresql_that_no_longer_answers_and_goes_on_when_one_does() {
    let place = Place::postgres().await;
    let Place::Postgres(database) = &place else {
        unreachable!("it is one");
    };
    let way = Way::to(database.port).await;
    let url = format!(
        "postgres://postgres:{PASSWORD}@{}/{}",
        way.address, database.name
    );
    let store = SqlStore::open(url.as_str()).await.expect("the store opens");
    append(&store, 1).await;
    // As many writes as there are connections get stuck in their middle.
    let mut other = database.connection().await;
    let hold = "BEGIN; SELECT * FROM portcullis_control_plane.leader FOR UPDATE";
    sqlx::raw_sql(hold).execute(&mut other).await.expect("held");
    let writes: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.release_withheld().await })
        })
        .collect();
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let mut seen = 0;
    while seen < 4 {
        let waiting = place.numbers(waiting).await;
        seen = waiting[0];
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    way.swallow();
    for write in writes {
        let refused = write.await.expect("no panic").expect_err("no answer");
        let said = format!("{:?}", refused.source());
        assert!(said.contains("does not answer"), "{said}");
    }
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut other)
        .await
        .expect("given back");
    way.carry_again();
    let mut left = 10;
    while left > 0 {
        // The places of the connections that were lost are free again after some seconds.
        if store.head().await.is_ok() {
            left -= 1;
        }
    }
    let one = Some(RevisionNumber(1));
    store.append(one, by("ada", "2")).await.expect("appended");
}

#[tokio::test]
async fn it_says_that_it_cannot_reach_a_postgresql_and_shows_no_password() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = nobody.local_addr().expect("bound");
    drop(nobody);
    for url in [
        format!("postgres://u:secret@{address}/d"),
        "postgres://u:secret?@h/d".to_owned(),
        // As the name of a file it would make a folder that shows the password.
        "jdbc:postgresql://u:secret@h/d".to_owned(),
        "mysql://u:secret@h/d".to_owned(),
    ] {
        let address = StoreAddress::from(url.as_str());
        let refused = SqlStore::open(address).await.expect_err("not there");
        let said = format!("{refused:#} {refused:?}");
        assert!(!said.contains("secret"), "{said}");
        let is_plain = matches!(
            refused,
            OpenError::Unreachable { .. } | OpenError::Address(_)
        );
        assert!(is_plain, "{refused}");
    }
}
