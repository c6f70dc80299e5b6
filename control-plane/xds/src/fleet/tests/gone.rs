//! Envoys that have left, and how much of them is remembered.

use super::*;

#[test]
fn it_remembers_only_so_many_envoys_that_left_and_only_so_many_bytes_of_them() {
    let mut table = Table::of(&generation("1"));
    let stays = table.connect("stays");
    for number in 0..1100 {
        let id = format!("passing {number:05}");
        let passing = table.connect(&id);
        table.now += Duration::from_millis(1);
        table.lose(&passing, StreamEnd::ByEnvoy);
    }
    assert_eq!(table.fleet.nodes().count(), 1025);
    let first = NodeId::new("passing 00000");
    assert!(table.fleet.nodes().all(|node| node.identity.id != first));

    let many: Vec<Arc<str>> = (0..10_000)
        .map(|number| format!("name {number}").into())
        .collect();
    for number in 0..20 {
        let id = format!("greedy {number}");
        let greedy = table.connect(&id);
        lock(&greedy.admission.session)
            .request(asking(ResourceType::Route, many.clone()), table.now)
            .expect("fewer than one may have");
        table.now += Duration::from_millis(1);
        table.lose(&greedy, StreamEnd::ByEnvoy);
    }
    let gone = table.fleet.nodes().filter(|node| !node.is_up());
    let kept: usize = gone.map(|node| lock(&node.session).bytes()).sum();
    assert!(kept <= 16 << 20, "{kept} bytes");
    assert!(stays.given().is_some());
}

#[test]
fn it_remembers_of_an_envoy_that_left_where_everything_stood_and_no_content() {
    let one = generation("1");
    let content = Arc::clone(one.get(ResourceType::ExtensionConfig, "e").expect("there"));
    let mut table = Table::of(&one);
    let a = table.connect("a");
    table.work(&a, false);
    let stood = lock(&a.admission.session).positions();
    table.lose(&a, StreamEnd::ByEnvoy);
    drop(a);
    let two = generation("2");
    table.distribute(&two, Newcomers::all(Arc::clone(&two)));
    assert_eq!(
        (Arc::strong_count(&one), Arc::strong_count(&content)),
        (1, 2)
    );
    let node = table.fleet.nodes().next().expect("it is remembered");
    assert_eq!(lock(&node.session).positions(), stood);
    assert_eq!(lock(&node.session).in_force(), Some(one.generation()));
}

#[test]
fn it_counts_the_words_and_the_contents_that_it_remembers_of_an_envoy_that_left() {
    const LARGE: usize = 100_000;
    let (one, two) = (generation(&"1".repeat(LARGE)), generation("2"));
    let bytes = |rejects: bool| {
        let mut table = Table::of(&one);
        let a = table.connect("a");
        table.work(&a, false);
        table.distribute(&two, Newcomers::all(Arc::clone(&two)));
        table.work(&a, rejects);
        table.lose(&a, StreamEnd::ByEnvoy);
        lock(&a.admission.session).bytes()
    };
    // With a rejection the last good content is remembered too, to be sent before the rejected one.
    assert!((LARGE..2 * LARGE).contains(&bytes(true)), "{}", bytes(true));
    assert!(bytes(false) < LARGE / 10, "{}", bytes(false));
}
