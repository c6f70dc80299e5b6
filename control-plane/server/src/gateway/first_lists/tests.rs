//! The lists that a change asks for, compiled before anybody waits for it.

use super::*;
use crate::gateway::test_gateway::{
    LONG, checked, gateway, listing, long_schema, steps_aside, with_one_thread_aside,
};

#[test]
fn it_compiles_what_a_server_lists_before_anybody_waits_for_the_change() {
    const URL: &str = "http://127.0.0.1:8000/mcp";
    with_one_thread_aside(async {
        let folder = tempfile::tempdir().unwrap();
        let gateway = gateway(
            folder.path(),
            "servers: {other: {url: 'http://127.0.0.1:1/mcp'}}",
        )
        .await;
        let new = checked(&format!("servers: {{data: {{url: '{URL}'}}}}"));
        let name: ServerName = "data".parse().unwrap();
        let seen = gateway.desired();
        let listing = listing(URL, "tool", &long_schema());
        let mut servers = AskedServers::default();
        let answer = (new.servers[&name].clone(), Ok(listing));
        servers.answers.insert(name.clone(), answer);

        let old = &seen.built.document;
        assert!(!servers.are_ready(old, &new, &seen.lists));
        let before = steps_aside().await;
        servers.prepare(gateway.client(), &seen, &new).await;
        let steps = steps_aside().await - before;
        assert!(steps >= LONG as u64, "{steps} steps");
        assert!(servers.are_ready(old, &new, &seen.lists));

        let made = || {
            let known = &seen.built.schemas;
            let first = servers.lists_for(old, &new, seen.lists.clone(), known);
            let (revision, module) = (seen.built.revision, seen.module.clone());
            let built = seen
                .built
                .next(revision, Arc::clone(&new), &first.lists, module);
            built.unwrap().tools().len()
        };
        let (tools, steps) = step_count::taken_by(made);
        assert_eq!(tools, 1);
        assert!(steps < LONG as u64, "{steps} steps");
    });
}
