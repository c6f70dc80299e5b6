//! The fake notices what no proxy would let a filter do.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

const REPLY: LocalReply<'_> = LocalReply {
    status: 403,
    headers: &[],
    body: "",
    details: "first",
};

#[test]
fn it_panics_at_whatever_a_filter_does_behind_its_reply() {
    let doings: [fn(&FakeProxy); 5] = [
        |proxy| proxy.reply(&REPLY),
        |proxy| proxy.set_header("a", "b"),
        |proxy| proxy.remove_header(b"a"),
        |proxy| proxy.replace_body(b"a"),
        |proxy| proxy.note("a", b"b"),
    ];
    for (number, doing) in doings.into_iter().enumerate() {
        let proxy = FakeProxy::new();
        if number > 0 {
            doing(&proxy);
        }
        proxy.reply(&REPLY);
        let after = catch_unwind(AssertUnwindSafe(|| doing(&proxy)));
        assert!(after.is_err(), "{number}");
    }
}

#[test]
fn it_panics_at_a_second_reply_to_another_request() {
    let (proxy, own) = (FakeProxy::new(), StreamId(1));
    proxy.reply_to(StreamId(2), own, &REPLY);
    proxy.reply_to(StreamId(3), own, &REPLY);
    for other in [StreamId(2), own] {
        let again = catch_unwind(AssertUnwindSafe(|| proxy.reply_to(other, own, &REPLY)));
        assert!(again.is_err(), "{other:?}");
    }
}
