//! Answers to requests that had an idempotency key.

use store::{ConfigStore, StoredAnswer};
use time::{Duration, OffsetDateTime};

use crate::places::Place;

on_each_database!(
    it_answers_the_same_key_again_until_its_time_is_over,
    it_keeps_a_thousand_answers,
    it_keeps_sixteen_megabytes_of_answers,
);

/// An answer that ends so many seconds from now.
pub fn answer(key: &str, seconds: i64) -> StoredAnswer {
    let now = OffsetDateTime::now_utc();
    let to_the_second = now.replace_microsecond(0).expect("a time");
    StoredAnswer {
        key: key.to_owned(),
        request: "ab".repeat(32),
        status: 201,
        headers: "[]".to_owned(),
        body: vec![0, 159, 146],
        ends_at: to_the_second.replace_nanosecond(0).expect("a time") + Duration::seconds(seconds),
    }
}

async fn it_answers_the_same_key_again_until_its_time_is_over(place: Place) {
    let store = place.open().await;
    assert_eq!(store.answer("a").await.expect("read"), None);
    let (kept, over) = (answer("a", 3600), answer("b", -3600));
    store.put_answer(&over).await.expect("put");
    store.put_answer(&kept).await.expect("put");
    let again = place.open().await;
    assert_eq!(again.answer("a").await.expect("read"), Some(kept));
    assert_eq!(again.answer("b").await.expect("read"), None);
    let left = place.numbers("SELECT count(*) FROM idempotency").await;
    assert_eq!(left, [1]);
}

async fn it_keeps_a_thousand_answers(place: Place) {
    let store = place.open().await;
    let nothing = match place {
        Place::File { .. } => "x''",
        Place::Postgres(_) => "''::bytea",
    };
    let thousand = format!(
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999) \
         INSERT INTO idempotency (key, request, status, headers, body, ends_at) \
         SELECT CAST(i AS TEXT), '', 200, '[]', {nothing}, 9000000000000000 + i FROM n"
    );
    place.execute(&thousand).await.expect("written");
    let last = StoredAnswer {
        ends_at: OffsetDateTime::from_unix_timestamp(9_100_000_000).expect("a time"),
        ..answer("last", 0)
    };
    store.put_answer(&last).await.expect("put");
    assert_eq!(store.answer("last").await.expect("read"), Some(last));
    assert_eq!(store.answer("0").await.expect("read"), None);
    let left = place.numbers("SELECT count(*) FROM idempotency").await;
    assert_eq!(left, [1000]);
}

async fn it_keeps_sixteen_megabytes_of_answers(place: Place) {
    let store = place.open().await;
    for (key, seconds) in [("a", 100), ("b", 200), ("c", 300)] {
        let large = StoredAnswer {
            body: vec![0; 7 << 20],
            ..answer(key, seconds)
        };
        store.put_answer(&large).await.expect("put");
    }
    assert_eq!(store.answer("a").await.expect("read"), None);
    assert!(store.answer("b").await.expect("read").is_some());
    assert!(store.answer("c").await.expect("read").is_some());
}
