//! Pairs of documents, and whether going from one to the other may allow more.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway_document::{CheckedDocument, Format, parse};
use store::{Catalogue, RawTool, RevisionNumber};
use time::OffsetDateTime;

use super::*;
use crate::catalogue::KnownList;
use crate::generation::KnownSchemas;
use crate::module::{ModuleFile, ModuleShelf};

pub(super) fn built(document: &str) -> Built {
    whole(&format!(
        "servers:\n  data: {{url: http://127.0.0.1:8000/mcp}}\n{document}"
    ))
}

fn whole(document: &str) -> Built {
    let document = CheckedDocument::new(parse(document, Format::Yaml).unwrap()).unwrap();
    let tools = ["read", "write"].map(|name| RawTool {
        name: name.to_owned(),
        json: format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#),
    });
    let seen = OffsetDateTime::UNIX_EPOCH;
    let list = Catalogue::new(
        "data".to_owned(),
        "2026-07-28".to_owned(),
        seen,
        tools.into(),
    );
    let lists = BTreeMap::from([("data".parse().unwrap(), Arc::new(KnownList::new(list)))]);
    let module = ModuleFile {
        sha256: "00".to_owned(),
        path: "/modules/00.wasm".into(),
        shelf: ModuleShelf::default(),
    };
    let (known, number) = (KnownSchemas::default(), RevisionNumber(1));
    Built::first(&known, number, Arc::new(document), &lists, module).unwrap()
}

const NOTHING: &str = "";

#[test]
fn it_knows_the_stricter_of_two_policies() {
    let rows = [
        // Stricter first.
        ("defaults: {access: deny}", NOTHING),
        (NOTHING, "defaults: {validate: shadow}"),
        (
            "listeners: [{name: mcp, address: '127.0.0.1:10000', tls: {certificates: \
             [{certificate_file: /c.pem, key_file: /c.key}]}}]",
            NOTHING,
        ),
        (
            NOTHING,
            "listeners: [{name: mcp, address: '127.0.0.1:10000', cors: {}}]",
        ),
        (
            "listeners: [{name: mcp, address: '127.0.0.1:10000', allowed_hosts: [a.example]}]",
            "listeners: [{name: mcp, address: '0.0.0.0:10000', allowed_hosts: [a.example]}]",
        ),
        (
            "clusters: [{name: c, endpoints: ['a.b:1'], upstream: {tls: {system_ca: true}}}]",
            "clusters: [{name: c, endpoints: ['a.b:1']}]",
        ),
        (
            "clusters: [{name: c, endpoints: ['a.b:1']}]",
            "clusters: [{name: c, endpoints: ['a.b:1']}]\n\
             routes: [{name: r, match: {path: /r}, to: {cluster: c}}]",
        ),
        (
            "tools: [{name: r, match: {tool: write}, allow: []}]",
            NOTHING,
        ),
        (
            "tools: [{name: r, limits: [{id: l, per: [tool], requests: 1, window: 1m}]}]",
            "tools: [{name: r, limits: [{id: l, per: [tool], requests: 2, window: 1m}]}]",
        ),
        (
            "tools: [{name: r, limits: [{id: l, requests: 1, window: 1m}]}]",
            NOTHING,
        ),
        (
            "tools: [{name: r, match: {tool: write}, constraints: {properties: {a: {maxLength: \
             1}}}}]",
            NOTHING,
        ),
        (
            NOTHING,
            "listeners: [{name: mcp, address: 127.0.0.1:10000}, {name: more, address: \
             127.0.0.1:10001}]",
        ),
        (
            "listeners: [{name: mcp, address: 127.0.0.1:10000, allowed_hosts: [a.example]}]",
            "listeners: [{name: mcp, address: 127.0.0.1:10000, allowed_hosts: [a.example, \
             b.example]}]",
        ),
        (
            "filters: [{name: f, envoy: envoy.extensions.filters.http.fault.v3.HTTPFault, \
             configuration: {}}]",
            NOTHING,
        ),
    ];
    for (strict, loose) in rows {
        let (strict_built, loose_built) = (built(strict), built(loose));
        assert!(
            may_loosen(&strict_built, &loose_built),
            "`{strict}` to `{loose}`"
        );
        assert_eq!(looser(&strict_built, &loose_built), Looser::More, "{loose}");
        if !strict.contains("allowed_hosts") {
            assert!(
                !may_loosen(&loose_built, &strict_built),
                "`{loose}` to `{strict}`"
            );
        }
        assert!(!may_loosen(&strict_built, &strict_built));
    }
}

#[test]
fn it_takes_what_it_cannot_compare_for_looser_both_ways() {
    let (one, other) = (
        built(
            "tools: [{name: r, match: {tool: write}, constraints: {properties: {a: {maxLength: \
             1}}}}]",
        ),
        built(
            "tools: [{name: r, match: {tool: write}, constraints: {properties: {a: {minLength: \
             1}}}}]",
        ),
    );
    assert!(may_loosen(&one, &other));
    assert!(may_loosen(&other, &one));
}

#[test]
fn it_takes_another_treatment_of_some_callers_for_looser_both_ways() {
    let roles = "roles: {a: {claims: {groups: [a]}}}";
    for rule in [
        "allow: []",
        "allow: ['*']",
        "validate: off",
        "validate: enforce",
        "constraints: {required: [a]}",
        "route: {cluster: data}",
    ] {
        let plain = built(roles);
        let rule = format!("{roles}\ntools: [{{name: r, match: {{roles: [a]}}, {rule}}}]");
        let some = built(&rule);
        assert!(may_loosen(&plain, &some), "{rule}");
        assert!(may_loosen(&some, &plain), "{rule}");
        assert!(!may_loosen(&some, &some), "{rule}");
    }
    let limit = "limits: [{requests: 1, window: 1s}]";
    let all = built(&format!("{roles}\ntools: [{{name: r, {limit}}}]"));
    let some = built(&format!(
        "{roles}\ntools: [{{name: r, match: {{roles: [a]}}, {limit}}}]"
    ));
    assert!(may_loosen(&all, &some));
}

#[test]
fn it_does_not_mind_a_server_that_goes() {
    let more = built("  math: {url: http://127.0.0.1:8001/mcp}");
    assert!(!may_loosen(&more, &built(NOTHING)));
    assert!(may_loosen(&built(NOTHING), &more));
}

#[test]
fn it_takes_another_credential_of_the_gateway_for_looser() {
    let shown = |credentials: &str| {
        built(&format!(
            "  math: {{url: http://127.0.0.1:8001/mcp{credentials}}}\n\
             secrets: {{admin: {{env: A}}, reader: {{env: B}}}}"
        ))
    };
    let nothing = shown("");
    let admin = shown(", credentials: {secret: admin}");
    let reader = shown(", credentials: {secret: reader}");
    assert!(may_loosen(&nothing, &admin));
    assert!(may_loosen(&reader, &admin));
    assert!(!may_loosen(&admin, &nothing));
    assert!(!may_loosen(&admin, &admin));
}

#[test]
fn it_looks_at_those_tools_alone_that_a_differing_rule_matches() {
    let rules = |timeout: &str| {
        let same = (0..50).map(|number| format!("{{name: r{number}, timeout: 1s}}"));
        let rules: Vec<String> = same
            .chain([format!(
                "{{name: r, match: {{tool: write}}, timeout: {timeout}}}"
            )])
            .collect();
        built(&format!("tools: [{}]", rules.join(", ")))
    };
    let (one, other) = (rules("2s"), rules("3s"));
    let (loosens, steps) = step_count::taken_by(|| may_loosen(&one, &other));
    // One of the two tools is merged with the rules, before and after; the rest are looks into the
    // two documents, a few whatever is in them.
    let merged = 2 * 51;
    assert!(
        !loosens && (merged..merged + 10).contains(&steps),
        "{steps} steps"
    );
}

#[test]
fn it_looks_at_tools_whose_rule_is_new_gone_or_elsewhere() {
    let (closes, opens) = (
        "{name: closes, match: {tool: write}, allow: []}",
        "{name: opens, match: {tool: 'w*'}, allow: ['*']}",
    );
    let rules = |rules: &[&str]| built(&format!("tools: [{}]", rules.join(", ")));
    let (none, closed) = (rules(&[]), rules(&[closes]));
    let (closed_first, open_first) = (rules(&[closes, opens]), rules(&[opens, closes]));
    for (strict, loose) in [
        (&closed, &none),
        (&closed_first, &none),
        (&closed, &open_first),
        (&closed_first, &open_first),
    ] {
        assert!(may_loosen(strict, loose));
        assert!(!may_loosen(loose, strict));
    }
    assert!(!may_loosen(&closed, &closed_first));
    assert!(!may_loosen(&closed_first, &closed));
}

#[test]
fn it_compares_many_of_each_part_in_steps_that_grow_with_them() {
    const MANY: usize = 120;
    let list = |part: &dyn Fn(usize) -> String| (0..MANY).map(part).collect::<Vec<_>>().join(", ");
    let document = |timeout: &str| {
        let listeners = list(&|i| {
            format!(
                "{{name: l{i}, address: '127.0.0.1:{}', servers: [s{i}]}}",
                10_000 + i
            )
        });
        let servers = list(&|i| format!("s{i}: {{url: 'http://127.0.0.1:{}/mcp'}}", 20_000 + i));
        let clusters = list(&|i| {
            format!("{{name: c{i}, endpoints: ['a.b:1'], upstream: {{tls: {{system_ca: true}}}}}}")
        });
        let filters = list(&|i| {
            format!(
                "{{name: f{i}, envoy: envoy.extensions.filters.http.fault.v3.HTTPFault, \
                 configuration: {{}}}}"
            )
        });
        let roles = list(&|i| format!("r{i}: {{claims: {{groups: [a]}}}}"));
        let allowed = list(&|i| format!("r{i}"));
        let limits = list(&|i| format!("{{id: i{i}, per: [tool], requests: 1, window: 1m}}"));
        // The listener of all servers has as many endpoints, and tools of one have all limits.
        format!(
            "listeners: [{{name: all, address: '127.0.0.1:1'}}, {listeners}]\n\
             clusters: [{clusters}]\nfilters: [{filters}]\nroles: {{{roles}}}\n\
             tools: [{{name: t, match: {{server: data}}, timeout: {timeout}, allow: [{allowed}], \
             limits: [{limits}]}}]\n\
             servers: {{data: {{url: 'http://127.0.0.1:8000/mcp'}}, {servers}}}"
        )
    };
    let (one, other) = (whole(&document("2s")), whole(&document("3s")));
    let (loosens, steps) = step_count::taken_by(|| may_loosen(&one, &other));
    assert!(!loosens);
    assert!(steps <= 40 * MANY as u64, "{steps} steps");
    let (loosens, steps) = step_count::taken_by(|| may_loosen_unseen(&one, &one));
    assert!(!loosens);
    assert!(steps <= 40 * MANY as u64, "{steps} steps");
}
