//! The words of the wire form, with the version that they belong to.

use policy_engine::wire::{
    Access, AccessDetail, Credentials, Defaults, Endpoint, Exchange, FilterConfig, Limit, Match,
    Role, Route, Rule, Server, Tool, VERSION, Validate,
};
use serde::de::DeserializeOwned;

/// The words that a type reads, as it lists them to whoever sends another.
fn words<T: DeserializeOwned>(other: &str) -> String {
    let error = serde_json::from_str::<T>(other).err().unwrap().to_string();
    let quoted = error.split('`').skip(1).step_by(2);
    // The first is the other one.
    quoted.skip(1).collect::<Vec<_>>().join(" ")
}

#[test]
fn it_has_no_other_words_in_this_version() {
    let fields = r#"{"?": null}"#;
    let values = r#""?""#;
    let rows = [
        (VERSION.to_string(), "3"),
        (
            words::<FilterConfig>(fields),
            "version listener allowed_hosts allowed_origins max_body_bytes max_depth endpoints \
             servers defaults roles rules schemas access_log",
        ),
        (
            words::<AccessDetail>(values),
            "configuration decision item kind principal rule server tool",
        ),
        (
            words::<Endpoint>(fields),
            "path servers forward exchange withheld",
        ),
        (
            words::<Exchange>(values),
            "streamable event_stream messages",
        ),
        (
            words::<Server>(fields),
            "cluster path tool_prefix credentials tools list withheld",
        ),
        (words::<Credentials>(values), "home passthrough"),
        (words::<Tool>(fields), "input_schema"),
        (words::<Defaults>(fields), "access validate"),
        (words::<Access>(values), "allow deny"),
        (words::<Validate>(values), "enforce shadow off"),
        (words::<Role>(fields), "claims"),
        (
            words::<Rule>(fields),
            "name match allow limits validate constraints timeout_ms route",
        ),
        (
            words::<Match>(fields),
            "server tool prompt uri method roles",
        ),
        (words::<Limit>(fields), "id per requests window_ms burst"),
        (words::<Route>(fields), "cluster"),
    ];
    for (words, expected) in rows {
        assert_eq!(
            words, expected,
            "`docs/adding-a-configuration-field.md` says for which words `wire::VERSION` rises; \
             then bring this table up to date"
        );
    }
}
