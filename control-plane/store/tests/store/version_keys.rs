//! The key of secrets' versions.

use store::ConfigStore;

use crate::places::Place;

on_each_database!(it_gives_every_process_the_key_that_the_first_one_stored,);

async fn it_gives_every_process_the_key_that_the_first_one_stored(place: Place) {
    let (first, second) = (place.open().await, place.open().await);
    let key = first.version_key(&[1; 32]).await.expect("stored");
    assert_eq!(key, [1; 32]);
    assert_eq!(second.version_key(&[2; 32]).await.expect("read"), key);
    assert_eq!(place.numbers("SELECT count(*) FROM version_key").await, [1]);
}
