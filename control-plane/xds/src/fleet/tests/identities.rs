//! Streams of one name that say different things of the Envoy behind them.

use super::*;

#[test]
fn it_takes_an_envoy_for_what_it_says_on_the_latest_stream_that_is_open() {
    let two = generation("2");
    let mut table = Table::new();
    let cluster = |table: &Table| table.summary("a").description.cluster.clone();
    let mut open = ["edge", "elsewhere", "third"].map(|cluster| table.connect_of(cluster, "a"));
    assert_eq!(cluster(&table), "third");
    // One in the middle ends, and then the latest.
    table.lose(&open[1], StreamEnd::ByEnvoy);
    assert_eq!(cluster(&table), "third");
    table.lose(&open[2], StreamEnd::ByEnvoy);
    assert_eq!(cluster(&table), "edge");
    assert_eq!(table.summary("a").streams, 1);
    open[1] = table.connect_of("elsewhere", "a");
    table.lose(&open[1], StreamEnd::ByUs);
    assert_eq!(cluster(&table), "edge");
    // What is said of its group is said of it.
    let edge = NodeSelector {
        cluster: Some("edge".to_owned()),
        ..NodeSelector::default()
    };
    let newcomers = Newcomers {
        by_group: vec![(edge, two)],
        ..Newcomers::default()
    };
    table.assign(BTreeMap::new(), newcomers);
    assert_eq!(open[0].given(), named("2"));
    table.lose(&open[0], StreamEnd::ByEnvoy);
    assert_eq!(cluster(&table), "edge", "it is remembered as it left");
}
