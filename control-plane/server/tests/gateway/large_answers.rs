//! Questions about a large gateway: the threads that serve requests work nothing out, and so
//! everybody else is served meanwhile.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use allocation_counter::measure;
use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::Method;
use axum::http::header::{CONTENT_TYPE, HOST};
use control_plane::rest;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tokio::runtime::{Builder, Runtime};

use crate::fake_envoy::FakeEnvoy;
use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{ControlPlane, document_with, folder, until};
use crate::modules::upload;
use crate::wasm;

/// How many there are of everything.
const MANY: usize = 400;

/// The allocations by which a request is read, passes every layer, asks the store and is answered:
/// `/healthz` takes 180, and the store a few dozen. What is about all of a large gateway takes
/// thousands.
const FEW: u64 = 400;

/// One of each kind of thing, besides roles, rules and servers.
const ONE_OF_EACH: &str = "
clusters: [{name: c7, endpoints: ['127.0.0.1:3']}]
routes: [{name: p7, match: {prefix: /p7}, to: {cluster: c7}}]
secrets: {s7: {env: PATH}}
filters:
- name: f7
  envoy: envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
  configuration: {mutations: {request_mutations: [{remove: x-debug}]}}
rollout: {groups: {canary: {cluster: edge}}}
";

/// Paths with a name in them, of something that is there.
const NAMED: [(&str, &str); 15] = [
    ("/api/v1/clusters/{name}", "/api/v1/clusters/c7"),
    ("/api/v1/endpoints/{name}", "/api/v1/endpoints/c7"),
    ("/api/v1/filters/{name}", "/api/v1/filters/f7"),
    ("/api/v1/listeners/{name}", "/api/v1/listeners/mcp"),
    ("/api/v1/nodes/{id}", "/api/v1/nodes/envoy"),
    ("/api/v1/roles/{name}", "/api/v1/roles/r7"),
    ("/api/v1/routes/{name}", "/api/v1/routes/p7"),
    ("/api/v1/rules/{name}", "/api/v1/rules/rule7"),
    ("/api/v1/secrets/{name}", "/api/v1/secrets/s7"),
    ("/api/v1/servers/{name}", "/api/v1/servers/data"),
    (
        "/api/v1/servers/{name}/tools/{tool}",
        "/api/v1/servers/data/tools/t7",
    ),
    ("/api/v1/tools/{name}", "/api/v1/tools/t7"),
    ("/api/v1/tools/{name}/policy", "/api/v1/tools/t7/policy"),
    ("/api/v1/versions/{revision}", "/api/v1/versions/2"),
    (
        "/api/v1/versions/{from}/diff/{to}",
        "/api/v1/versions/1/diff/2",
    ),
];

fn of_everything() -> String {
    let mut text = format!("{ONE_OF_EACH}roles:\n");
    for i in 0..MANY {
        let _ = writeln!(text, "  r{i}: {{claims: {{groups: [g{i}]}}}}");
    }
    text.push_str("tools:\n");
    for i in 0..MANY {
        let limit = "{id: each, per: [tool], requests: 60, window: 1m}";
        let _ = writeln!(
            text,
            "- {{name: rule{i}, match: {{tool: t{i}}}, allow: [r{i}], limits: [{limit}]}}"
        );
    }
    text
}

/// The gateway, and all that is connected to it.
async fn large_gateway(folder: &std::path::Path) -> (ControlPlane, FakeServer, FakeEnvoy) {
    let names: Vec<String> = (0..MANY).map(|i| format!("t{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let server = FakeServer::start(Speaks::Stateless, tools(&names)).await;
    let document = document_with(&[("data", &server)]);
    let control_plane = ControlPlane::start(folder, &document).await;
    until(|| async { control_plane.gateway.current().tools().len() == MANY }).await;
    let envoy = FakeEnvoy::connect(control_plane.xds, "envoy").await;
    upload(&control_plane, &wasm::own_filter("1.2.3")).await;
    let large = document + &of_everything();
    let put = control_plane.put_yaml("/api/v1/config", &large).await;
    assert!(put.status.is_success(), "{}", put.text);
    (control_plane, server, envoy)
}

/// Paths with a name in them that the control plane has given to something.
async fn named_by_itself(control_plane: &ControlPlane) -> [(&'static str, String); 4] {
    let newest = async |list: &str, key: &str, name: &str| {
        let listed = control_plane.get(&format!("/api/v1/{list}")).await.json;
        let name = &listed[key][0][name];
        let text = name.as_str().map(str::to_owned);
        text.unwrap_or_else(|| name.as_u64().unwrap().to_string())
    };
    let audited = newest("audit", "records", "sequence").await;
    let rollout = newest("rollouts", "rollouts", "id").await;
    let module = newest("modules", "modules", "sha256").await;
    [
        (
            "/api/v1/audit/{sequence}",
            format!("/api/v1/audit/{audited}"),
        ),
        (
            "/api/v1/rollouts/{id}",
            format!("/api/v1/rollouts/{rollout}"),
        ),
        (
            "/api/v1/modules/{sha256}",
            format!("/api/v1/modules/{module}"),
        ),
        ("/modules/{file}", format!("/modules/{module}.wasm")),
    ]
}

/// Every path that something can be asked at, as the API describes itself; and snapshots that are
/// looked for otherwise.
async fn questions(control_plane: &ControlPlane) -> Vec<String> {
    let description = rest::description();
    let mut named: BTreeMap<_, _> = NAMED.map(|(path, one)| (path, one.to_owned())).into();
    named.extend(named_by_itself(control_plane).await);
    let generation = control_plane.gateway.current().generation().to_string();
    let snapshots = [
        "revision=1".to_owned(),
        "revision=2".to_owned(),
        "group=canary".to_owned(),
        format!("generation={}", &generation[..12]),
    ];
    let paths = description["paths"].as_object().unwrap().iter();
    let asked = paths.filter(|(_, item)| item.get("get").is_some());
    asked
        .map(|(path, item)| {
            let parameters = item["get"]["parameters"].as_array().into_iter().flatten();
            let has_pages = parameters.into_iter().any(|one| one["name"] == "limit");
            let path = named.get(path.as_str()).unwrap_or(path);
            format!("{path}{}", if has_pages { "?limit=1000" } else { "" })
        })
        .chain(snapshots.map(|which| format!("/api/v1/config/snapshot?{which}")))
        .collect()
}

/// The status of the answer, and its size where it is whole.
fn ask(serving: &Runtime, router: &Router, path: &str) -> (u16, u64) {
    send(serving, router, Method::GET, path, "")
}

/// The same for a request of this body.
fn send(serving: &Runtime, router: &Router, method: Method, path: &str, body: &str) -> (u16, u64) {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(HOST, "127.0.0.1");
    let request = request.header(CONTENT_TYPE, "application/yaml");
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let service = TowerToHyperService::new(router.clone());
    let answer = serving.block_on(service.call(request)).unwrap();
    let size = answer.body().size_hint().exact();
    (answer.status().as_u16(), size.unwrap_or_default())
}

#[test]
fn it_works_out_no_answer_on_the_threads_that_serve_requests() {
    let folder = folder();
    let elsewhere = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (control_plane, _server, _envoy) = elsewhere.block_on(large_gateway(folder.path()));
    let gateway = Arc::clone(&control_plane.gateway);
    let router = rest::router(gateway, rest::AllowedHosts::default());
    // Whatever is done on this thread is done by a thread that serves requests.
    let serving = Builder::new_current_thread().enable_all().build().unwrap();
    let questions = elsewhere.block_on(questions(&control_plane));
    let told = questions.into_iter().map(|path| {
        // The first one to ask finds threads and connections that have to be made.
        ask(&serving, &router, &path);
        let mut answer = (0, 0);
        let work = measure(|| answer = ask(&serving, &router, &path));
        (path, answer, work.count_total)
    });
    let told: Vec<_> = told.collect();
    let working: Vec<_> = told.iter().filter(|(.., work)| *work > FEW).collect();
    assert!(working.is_empty(), "{working:#?}");
    // Each of them was about something that is there.
    let is_missing =
        |(path, (status, _), _): &&(String, _, _)| *status != 200 || path.contains('{');
    let unanswered: Vec<_> = told.iter().filter(is_missing).collect();
    assert!(unanswered.is_empty(), "{unanswered:#?}");
    // And there was something to work out.
    for path in [
        "/api/v1/config",
        "/api/v1/config/snapshot?limit=1000",
        "/api/v1/roles?limit=1000",
        "/api/v1/rules?limit=1000",
        "/api/v1/tools?limit=1000",
        "/api/v1/versions/1/diff/2",
        "/api/v1/versions/2",
    ] {
        let answer = told.iter().find(|(asked, ..)| asked == path);
        let is_large =
            answer.is_some_and(|(_, (status, size), _)| *status == 200 && *size > 20_000);
        assert!(is_large, "{path}: {answer:?}");
    }
    // So is what is only tried.
    for (method, path) in [
        (Method::POST, "/api/v1/config/validate"),
        (Method::PUT, "/api/v1/config?dry_run=true"),
    ] {
        let send = || send(&serving, &router, method.clone(), path, "{}");
        send();
        let mut answer = (0, 0);
        let work = measure(|| answer = send());
        let (status, size) = answer;
        assert!(status == 200 && size > 20_000, "{path}: {answer:?}");
        let is_long = work.count_total > FEW || work.bytes_total > size;
        assert!(!is_long, "{path}: {answer:?} {work:?}");
    }
    drop(elsewhere);
}
