//! Renewed secrets reach the Envoys that need them, whatever else each of them has.

use super::*;
use crate::fixtures::{secret, tls_cluster};

#[test]
fn it_hands_renewed_secrets_to_the_envoys_that_need_them_as_the_same_assignment() {
    let table_of = |content: &str| SecretTable::from_iter([Arc::new(secret("s", content))]);
    let (with, without) = (
        snapshot("with", [tls_cluster("c", "s")]),
        snapshot("without", [cluster("c", 1)]),
    );
    let mut table = Table::of(&with);
    let (one, two, other) = (
        table.connect("one"),
        table.connect("two"),
        table.connect("other"),
    );
    let newcomers = Newcomers::all(Arc::clone(&with));
    table.assign(BTreeMap::from([(other.id.clone(), without)]), newcomers);
    let secret_of = |stream: &Stream| {
        let assignment = stream.admission.assignment.borrow().clone();
        let snapshot = assignment.snapshot.expect("it has one");
        let version = snapshot.get(ResourceType::Secret, "s");
        (
            assignment.number,
            version.map(|secret| secret.version().clone()),
        )
    };
    let before = secret_of(&one);
    assert_eq!(before.1, None);
    let mut others = other.admission.assignment.clone();
    others.mark_unchanged();
    assert!(table.fleet.supply(table_of("first")));
    let first = secret_of(&one);
    assert_eq!((first.0, first.1.is_some()), (before.0, true));
    let snapshot_of = |stream: &Stream| stream.admission.assignment.borrow().snapshot.clone();
    let (ones, twos) = (snapshot_of(&one), snapshot_of(&two));
    assert!(
        Arc::ptr_eq(&ones.expect("one"), &twos.expect("one")),
        "it is put together once"
    );
    assert!(
        !table.fleet.supply(table_of("first")),
        "nothing has changed"
    );
    assert!(table.fleet.supply(table_of("second")));
    assert_ne!(secret_of(&one), first);
    assert!(
        !others.has_changed().expect("it is open"),
        "it has nothing to do with them"
    );
    assert_eq!(table.fleet.secret_names(), BTreeSet::from(["s".into()]));
    let late = table.connect("late");
    assert_eq!(secret_of(&late).1, secret_of(&one).1);
}
