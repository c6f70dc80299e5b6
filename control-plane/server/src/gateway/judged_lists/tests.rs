//! Lists and changes that lose the race to replace the desired state.

use std::future::Future;

use gateway_document::CheckedDocument;
use tokio::task::yield_now;

use super::*;
use crate::gateway::test_gateway::{
    LONG, checked, gateway, listing, long_schema, steps_aside, with_one_thread_aside,
};
use crate::gateway::{Author, Edit, Gateway, InHand, Precondition};

const URL: &str = "http://127.0.0.1:8000/mcp";

fn text(rules: &str) -> String {
    format!("servers: {{data: {{url: '{URL}'}}}}\ntools: [{rules}]")
}

/// Has somebody else replace the desired state when `work` has compiled a schema, and lets `work`
/// replace it then; gives the steps that it has taken after that.
async fn steps_after_a_lost_race(
    gateway: &Gateway,
    work: impl Future<Output = ()> + Send + 'static,
) -> u64 {
    let (edition, before) = (gateway.desired().edition, steps_aside().await);
    let turn = gateway.turn().await;
    let work = tokio::spawn(work);
    let mut taken = before;
    while taken < before + LONG as u64 {
        yield_now().await;
        taken = steps_aside().await;
    }
    gateway.desire(&turn, gateway.desired());
    drop(turn);
    while gateway.desired().edition < edition + 2 {
        yield_now().await;
    }
    // There are no Envoys to judge it.
    work.abort();
    steps_aside().await - taken
}

#[test]
fn it_compiles_a_list_once_however_often_it_loses_its_race() {
    with_one_thread_aside(async {
        let folder = tempfile::tempdir().unwrap();
        let gateway = gateway(folder.path(), &text("")).await;
        let observing = Arc::clone(&gateway);
        let steps = steps_after_a_lost_race(&gateway, async move {
            let listing = listing(URL, "tool", &long_schema());
            observing.observe(&"data".parse().unwrap(), listing).await;
        });
        let steps = steps.await;
        assert_eq!(gateway.latest().tools().len(), 1);
        assert!(steps < LONG as u64, "{steps} steps");
    });
}

#[test]
fn it_compiles_the_schemas_of_a_change_once_however_often_it_loses_its_race() {
    with_one_thread_aside(async {
        let folder = tempfile::tempdir().unwrap();
        let gateway = gateway(folder.path(), &text("")).await;
        let known = listing(URL, "tool", "{}");
        gateway.observe(&"data".parse().unwrap(), known).await;
        let constraints = long_schema();
        let rule = format!("{{name: r, match: {{tool: tool}}, constraints: {constraints}}}");
        let document = CheckedDocument::clone(&checked(&text(&rule)));
        let edit: Edit = Arc::new(move |_| Ok(document.clone()));
        let changing = Arc::clone(&gateway);
        let steps = steps_after_a_lost_race(&gateway, async move {
            let author = Author {
                name: "ada".to_owned(),
                reason: String::new(),
                action: "PUT".to_owned(),
                origin: String::new(),
            };
            let in_hand = InHand::change().await.unwrap();
            let _answer = changing
                .change(in_hand, edit, Precondition::None, author)
                .await;
        });
        let steps = steps.await;
        assert_eq!(gateway.latest().document.tools.len(), 1);
        assert!(steps < LONG as u64, "{steps} steps");
    });
}

#[test]
fn it_judges_a_list_again_only_when_it_is_judged_by_something_else() {
    let known = KnownSchemas::default();
    let name: ServerName = "data".parse().unwrap();
    let document = checked(&text(""));
    let server = &document.servers[&name];
    let listing = listing(URL, "tool", "{}");
    let mut judged = JudgedLists::default();
    let mut judge = |previous: Option<&Arc<KnownList>>, is_pinned| {
        let grounds = Grounds {
            server,
            previous,
            is_pinned,
        };
        let was_judged = judged.has(&name, &grounds);
        let list = Arc::clone(judged.judge(&name, &listing, &grounds, &known));
        assert!(judged.has(&name, &grounds));
        (list, was_judged, judged.new_list(&name, &grounds).is_some())
    };
    let (first, was_judged, is_new) = judge(None, false);
    assert_eq!((was_judged, is_new), (false, true));
    let (again, was_judged, is_new) = judge(None, false);
    assert_eq!((was_judged, is_new), (true, true));
    assert!(Arc::ptr_eq(&first, &again));
    // From here on it says what is known.
    assert!(matches!(judge(Some(&first), false), (_, false, false)));
    assert!(matches!(judge(Some(&first), true), (_, false, false)));
    assert!(matches!(judge(Some(&first), true), (_, true, false)));
}
