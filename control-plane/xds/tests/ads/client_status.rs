//! The client status discovery service, as standard tools read it, and what they are told of its
//! messages.

use envoy_types::pb::envoy::{
    admin::v3::ClientResourceStatus,
    service::status::v3::{
        ClientConfig, ClientStatusRequest, ClientStatusResponse, ConfigStatus,
        client_status_discovery_service_client::ClientStatusDiscoveryServiceClient,
    },
    r#type::matcher::v3::{
        NodeMatcher, RegexMatcher, StringMatcher, StructMatcher, string_matcher::MatchPattern,
    },
};
use tonic::{Code, Status, transport::Channel};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, ServerReflectionResponse,
    server_reflection_client::ServerReflectionClient, server_reflection_request::MessageRequest,
    server_reflection_response::MessageResponse,
};
use xds::ResourceType;

use crate::{
    client::{Client, Running, cluster, in_time, snapshot},
    envoy_stream::EnvoyStream,
};

async fn asked(
    running: &Running,
    node_matchers: Vec<NodeMatcher>,
) -> Result<Vec<ClientConfig>, Status> {
    let mut service = service(running).await;
    let request = ClientStatusRequest {
        node_matchers,
        ..ClientStatusRequest::default()
    };
    let answer = in_time(service.fetch_client_status(request)).await?;
    Ok(answer.into_inner().config)
}

async fn service(running: &Running) -> ClientStatusDiscoveryServiceClient<Channel> {
    ClientStatusDiscoveryServiceClient::new(running.channel().await)
}

fn by_id(pattern: MatchPattern) -> NodeMatcher {
    NodeMatcher {
        node_id: Some(StringMatcher {
            match_pattern: Some(pattern),
            ignore_case: false,
        }),
        node_metadatas: Vec::new(),
    }
}

fn ids(configs: &[ClientConfig]) -> Vec<&str> {
    let nodes = configs.iter().flat_map(|config| &config.node);
    nodes.map(|node| node.id.as_str()).collect()
}

#[tokio::test]
async fn it_tells_of_each_resource_what_the_envoy_answered() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("good", 1), cluster("bad", 1)]));
    let mut envoy = Client::settled(&running, "one", ResourceType::Cluster, &[], 1).await;
    running.publish(snapshot("2", [cluster("good", 1), cluster("bad", 2)]));
    let response = envoy.receive().await;
    envoy.nack(&response, "that is bad").await;
    running.answers("2").await;

    let configs = asked(&running, Vec::new()).await.expect("an answer");
    let node = configs[0].node.as_ref().expect("a node");
    assert_eq!((node.id.as_str(), node.cluster.as_str()), ("one", "test"));
    assert_eq!(node.user_agent_name, "envoy");
    let [bad, good] = configs[0].generic_xds_configs.as_slice() else {
        panic!("{configs:?}");
    };
    assert_eq!((bad.name.as_str(), good.name.as_str()), ("bad", "good"));
    assert_eq!(good.type_url, ResourceType::Cluster.type_url());
    assert_eq!(good.config_status(), ConfigStatus::Synced);
    assert_eq!(good.client_status(), ClientResourceStatus::Acked);
    assert_eq!(good.version_info, cluster("good", 1).version().as_str());
    assert!(good.last_updated.is_some() && good.error_state.is_none());
    assert_eq!(bad.config_status(), ConfigStatus::Error);
    assert_eq!(bad.client_status(), ClientResourceStatus::Nacked);
    // It runs on with the version that it had.
    assert_eq!(bad.version_info, cluster("bad", 1).version().as_str());
    let error = bad.error_state.as_ref().expect("a reason");
    assert_eq!(error.details, "that is bad");
    assert_eq!(error.version_info, cluster("bad", 2).version().as_str());
    // Contents may be the operator's secrets.
    assert!(bad.xds_config.is_none() && error.failed_configuration.is_none());
}

#[tokio::test]
async fn it_tells_of_those_envoys_that_are_asked_for() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let mut envoys = Vec::new();
    for id in ["east-1", "east-2", "west-1"] {
        envoys.push(Client::settled(&running, id, ResourceType::Cluster, &[], 1).await);
    }
    for (pattern, expected) in [
        (MatchPattern::Exact("east-2".to_owned()), vec!["east-2"]),
        (MatchPattern::Exact("EAST-2".to_owned()), vec![]),
        (
            MatchPattern::Prefix("east".to_owned()),
            vec!["east-1", "east-2"],
        ),
        (
            MatchPattern::Suffix("-1".to_owned()),
            vec!["east-1", "west-1"],
        ),
        (
            MatchPattern::Contains("st-".to_owned()),
            vec!["east-1", "east-2", "west-1"],
        ),
    ] {
        let configs = asked(&running, vec![by_id(pattern)]).await;
        assert_eq!(ids(&configs.expect("an answer")), expected);
    }
    let either = ["east-1", "west-1"].map(|id| by_id(MatchPattern::Exact(id.to_owned())));
    let configs = asked(&running, either.to_vec()).await.expect("an answer");
    assert_eq!(ids(&configs), ["east-1", "west-1"]);
    let mut folded = by_id(MatchPattern::Exact("EAST-2".to_owned()));
    folded.node_id.as_mut().expect("it has one").ignore_case = true;
    let configs = asked(&running, vec![folded]).await.expect("an answer");
    assert_eq!(ids(&configs), ["east-2"]);
}

#[tokio::test]
async fn it_refuses_matchers_that_it_does_not_know_or_too_many_and_says_what_to_do() {
    let running = Running::start().await;
    let by_regex = by_id(MatchPattern::SafeRegex(RegexMatcher::default()));
    let by_metadata = NodeMatcher {
        node_id: None,
        node_metadatas: vec![StructMatcher::default()],
    };
    // More than tools write: each is compared with each Envoy's name.
    let by_many = vec![by_id(MatchPattern::Exact("x".to_owned())); 65];
    for (matchers, advice) in [
        (vec![by_regex], "`exact`"),
        (vec![by_metadata], "`node_id`"),
        (by_many, "more than 64"),
    ] {
        let refused = asked(&running, matchers).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(advice), "{refused}");
    }
}

#[tokio::test]
async fn it_answers_each_request_of_a_stream_and_ends_it_with_the_server() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let _envoy = Client::settled(&running, "one", ResourceType::Cluster, &[], 1).await;
    let mut service = service(&running).await;
    let (requests, receiver) = tokio::sync::mpsc::channel(8);
    let requests_of_the_stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let answers = in_time(service.stream_client_status(requests_of_the_stream));
    let mut answers = answers.await.expect("a stream").into_inner();
    for _ in 0..2 {
        let request = ClientStatusRequest::default();
        in_time(requests.send(request)).await.expect("it is open");
        let answer: ClientStatusResponse = in_time(answers.message())
            .await
            .expect("no error")
            .expect("an answer");
        assert_eq!(ids(&answer.config), ["one"]);
    }
    in_time(running.stop()).await;
}

#[tokio::test]
async fn it_refuses_to_write_an_answer_that_clients_would_not_read() {
    let running = Running::start().await;
    let name = |number: usize| format!("{number:04}{}", "x".repeat(1000));
    let many = (0..2000).map(|number| cluster(&name(number), 1));
    running.publish(snapshot("1", many));
    let mut envoys = Vec::new();
    for id in ["one", "two"] {
        let mut envoy = Client::connect(&running, id).await;
        envoy.subscribe(ResourceType::Cluster, &[]).await;
        envoy.receive().await;
        envoys.push(envoy);
    }
    let refused = asked(&running, Vec::new()).await.expect_err("refused");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("`node_matchers`"), "{refused}");
    let one = by_id(MatchPattern::Exact("one".to_owned()));
    let configs = asked(&running, vec![one]).await.expect("an answer");
    assert_eq!(configs[0].generic_xds_configs.len(), 2000);
}

/// A conversation about messages that somebody has begun.
async fn conversation(
    channel: Channel,
) -> Result<EnvoyStream<ServerReflectionRequest, ServerReflectionResponse>, Status> {
    let mut service = ServerReflectionClient::new(channel);
    EnvoyStream::open(async move |requests| service.server_reflection_info(requests).await).await
}

#[tokio::test]
async fn it_tells_a_few_at_once_what_it_says_and_serves_envoys_beside_them() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let channel = running.channel().await;
    let services = || ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..ServerReflectionRequest::default()
    };
    let mut begun = Vec::new();
    for _ in 0..16 {
        begun.push(conversation(channel.clone()).await.expect("a place"));
    }
    let refused = conversation(channel.clone()).await.err();
    let refused = refused.expect("it is one too many");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("try again"), "{refused}");
    Client::settled(&running, "one", ResourceType::Cluster, &[], 1).await;
    // Each of them is answered, and leaves a place when it is over.
    for mut one in begun {
        one.send(services()).await;
        let Some(MessageResponse::ListServicesResponse(told)) =
            one.receive().await.message_response
        else {
            panic!("another answer");
        };
        let names: Vec<_> = told
            .service
            .into_iter()
            .map(|service| service.name)
            .collect();
        assert_eq!(
            names,
            ["envoy.service.status.v3.ClientStatusDiscoveryService"]
        );
    }
    in_time(async {
        while conversation(channel.clone()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
