//! A PostgreSQL that is gone for a while, and one that was never there.

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
