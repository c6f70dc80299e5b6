//! One session for several streams: names by who asks for them, and answers that come late.

use super::*;
use crate::fixtures::{endpoints, route};
use crate::service::message::Variant;

const ENDPOINTS: ResourceType = ResourceType::Endpoints;

/// A stream that is about a type; nobody reads its responses.
fn opened(strands: &mut Strands, key: u64, only: ResourceType) {
    let (responses, _) = Responses::queue(Variant::Incremental, None);
    let strand = Strand {
        only: Some(only),
        responses,
        source: None,
        names: BTreeSet::new(),
    };
    strands.add(StreamKey(key), strand);
}

fn names(names: impl IntoIterator<Item = String>) -> Vec<Arc<str>> {
    names.into_iter().map(Into::into).collect()
}

fn asks(strands: &mut Strands, key: u64, request: DeltaRequest) -> DeltaRequest {
    let events = strands.take(StreamKey(key), Asked::Incremental(request));
    match events.into_iter().next_back() {
        Some(Event::Asked(Asked::Incremental(request))) => request,
        other => panic!("{other:?}"),
    }
}

fn subscribe(strands: &mut Strands, key: u64, subscribe: Vec<Arc<str>>) {
    let request = DeltaRequest {
        subscribe,
        ..DeltaRequest::nothing(ENDPOINTS)
    };
    asks(strands, key, request);
}

fn answer(strands: &mut Strands, key: u64, nonce: &str, rejection: Option<&str>) -> Option<Answer> {
    let request = DeltaRequest {
        answer: Some(Answer {
            nonce: nonce.to_owned(),
            rejection: rejection.map(ToOwned::to_owned),
        }),
        ..DeltaRequest::nothing(ENDPOINTS)
    };
    asks(strands, key, request).answer
}

fn response(nonce: &str, resources: Vec<crate::Resource>) -> DeltaResponse {
    DeltaResponse {
        resource_type: resources[0].resource_type(),
        nonce: nonce.to_owned(),
        resources: resources.into_iter().map(Arc::new).collect(),
        removed: Vec::new(),
        set_version: None,
    }
}

#[test]
fn it_gives_up_names_without_looking_at_the_other_streams() {
    const STREAMS: u64 = 200;
    const NAMES: usize = 500;
    let mut strands = Strands::default();
    for key in 0..STREAMS {
        opened(&mut strands, key, ENDPOINTS);
        subscribe(
            &mut strands,
            key,
            names([format!("own {key}"), "shared".to_owned()]),
        );
    }
    let many = names((0..NAMES).map(|number| format!("many {number}")));
    subscribe(&mut strands, 0, many.clone());
    let given_up = DeltaRequest {
        unsubscribe: many.iter().cloned().chain(["shared".into()]).collect(),
        ..DeltaRequest::nothing(ENDPOINTS)
    };
    let (request, steps) = step_count::taken_by(|| asks(&mut strands, 0, given_up));
    // Others ask for the last one.
    assert_eq!(request.unsubscribe, many);
    assert!(steps <= 2 * STREAMS, "{steps}");
    // Nobody does any more, once each of them has given it up or has ended.
    for key in 1..STREAMS - 1 {
        strands.end(StreamKey(key));
    }
    strands.settle_ended();
    let last = DeltaRequest {
        unsubscribe: names(["shared".to_owned()]),
        ..DeltaRequest::nothing(ENDPOINTS)
    };
    let request = asks(&mut strands, STREAMS - 1, last);
    assert_eq!(request.unsubscribe, names(["shared".to_owned()]));
}

#[test]
fn it_believes_no_stream_for_the_others_once_a_response_is_forgotten() {
    let mut strands = Strands::default();
    for (key, name) in [(0, "a"), (1, "b")] {
        opened(&mut strands, key, ENDPOINTS);
        subscribe(&mut strands, key, names([name.to_owned()]));
    }
    opened(&mut strands, 2, ResourceType::Route);
    let request = DeltaRequest {
        subscribe: names(["r".to_owned()]),
        ..DeltaRequest::nothing(ResourceType::Route)
    };
    asks(&mut strands, 2, request);
    strands.route(response("late", vec![endpoints("a", 1), endpoints("b", 1)]));
    assert!(answer(&mut strands, 0, "late", Some("a is bad")).is_none());
    for number in 0..FANS_KEPT {
        strands.route(response(&format!("route {number}"), vec![route("r", "x")]));
    }
    // The other stream rejected its part.
    assert!(answer(&mut strands, 1, "late", None).is_none());
}

/// A thousand streams may ask for one name.
#[test]
fn it_keeps_as_much_of_the_words_of_all_streams_on_a_response_as_of_one() {
    const STREAMS: u64 = 50;
    let mut strands = Strands::default();
    for key in 0..STREAMS {
        opened(&mut strands, key, ENDPOINTS);
        subscribe(&mut strands, key, names(["a".to_owned()]));
    }
    strands.route(response("1", vec![endpoints("a", 1)]));
    let words = "é".repeat(MOST_MESSAGE_BYTES / 2);
    let answers = (0..STREAMS).filter_map(|key| answer(&mut strands, key, "1", Some(&words)));
    let told: Vec<_> = answers.filter_map(|answer| answer.rejection).collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with(&words));
    assert!(
        told[0].len() < MOST_MESSAGE_BYTES + 100,
        "{}",
        told[0].len()
    );
    assert!(told[0].ends_with("more bytes were cut)"));
}
