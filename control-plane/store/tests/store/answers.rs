//! Answers to requests that had an idempotency key.

use store::{ConfigStore, KeptAnswer, KeyPlace, MOST_KEYS, StoredAnswer};
use time::{Duration, OffsetDateTime};

use crate::places::Place;

on_each_database!(
    it_answers_the_same_key_again_until_its_time_is_over,
    it_keeps_a_hundred_thousand_keys_and_takes_no_more,
    it_keeps_of_the_oldest_answers_beyond_sixteen_megabytes_that_they_were_given,
);

/// An answer that ends so many seconds from now.
pub fn answer(key: &str, seconds: i64) -> StoredAnswer {
    let now = OffsetDateTime::now_utc();
    let to_the_second = now.replace_microsecond(0).expect("a time");
    StoredAnswer {
        key: key.to_owned(),
        request: "ab".repeat(32),
        answer: whole(vec![0, 159, 146]),
        ends_at: to_the_second.replace_nanosecond(0).expect("a time") + Duration::seconds(seconds),
    }
}

fn whole(body: Vec<u8>) -> KeptAnswer {
    KeptAnswer::Whole {
        status: 201,
        headers: "etag: \"2\"\n".to_owned(),
        body,
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

async fn it_keeps_a_hundred_thousand_keys_and_takes_no_more(place: Place) {
    let store = place.open().await;
    let nothing = match place {
        Place::File { .. } => "x''",
        Place::Postgres(_) => "''::bytea",
    };
    let all_but_one = format!(
        "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {MOST_KEYS}) \
         INSERT INTO idempotency (key, request, status, headers, body, ends_at) \
         SELECT CAST(i AS TEXT), '', 200, '[]', {nothing}, 9000000000000000 + i FROM n"
    );
    place.execute(&all_but_one).await.expect("written");
    let day = OffsetDateTime::now_utc() + Duration::days(1);
    let begin = async |key: &str| {
        store
            .begin_answer(key, "of it", day)
            .await
            .expect("written")
    };
    assert_eq!(begin("last").await, KeyPlace::Taken);
    let begun = store.answer("last").await.expect("read").expect("there");
    assert_eq!(begun.answer, KeptAnswer::Begun);
    assert_eq!(begin("one more").await, KeyPlace::NoneFree);
    assert_eq!(store.answer("one more").await.expect("read"), None);
    // What has begun is answered all the same, and nobody makes room for it.
    store.put_answer(&answer("last", 3600)).await.expect("put");
    assert!(store.answer("2").await.expect("read").is_some());
    let keys = place.numbers("SELECT count(*) FROM idempotency").await;
    assert_eq!(keys, [i64::from(MOST_KEYS)]);
    let over = "UPDATE idempotency SET ends_at = 0 WHERE key = '2'";
    place.execute(over).await.expect("written");
    assert_eq!(begin("one more").await, KeyPlace::Taken);
}

async fn it_keeps_of_the_oldest_answers_beyond_sixteen_megabytes_that_they_were_given(
    place: Place,
) {
    let store = place.open().await;
    let day = OffsetDateTime::now_utc() + Duration::days(1);
    let begun = store.begin_answer("runs", "of it", day).await;
    assert_eq!(begun.expect("written"), KeyPlace::Taken);
    let large = |key, seconds| StoredAnswer {
        answer: whole(vec![0; 7 << 20]),
        ..answer(key, seconds)
    };
    for (key, seconds) in [("a", 100), ("b", 200), ("c", 300)] {
        store.put_answer(&large(key, seconds)).await.expect("put");
    }
    let kept = async |key: &str| store.answer(key).await.expect("read");
    let evicted = StoredAnswer {
        answer: KeptAnswer::Status(201),
        ..large("a", 100)
    };
    let known = kept("a").await.expect("there");
    assert_eq!(
        (&known.answer, &known.request),
        (&evicted.answer, &evicted.request)
    );
    for key in ["b", "c"] {
        let whole = kept(key).await.expect("there").answer;
        assert!(matches!(whole, KeptAnswer::Whole { .. }), "{key}");
    }
    assert_eq!(kept("runs").await.expect("there").answer, KeptAnswer::Begun);
    // One that is larger than all may be is there for whoever asks next.
    let huge = StoredAnswer {
        answer: whole(vec![0; 17 << 20]),
        ..answer("d", 50)
    };
    store.put_answer(&huge).await.expect("put");
    assert_eq!(kept("d").await.expect("there").answer, huge.answer);
    // An earlier version says of the others that nobody knows.
    let statuses = place
        .numbers("SELECT status FROM idempotency ORDER BY key")
        .await;
    assert_eq!(statuses, [0, 0, 0, 201, 0]);
}
