//! A table of endpoints, told what probes found.

use super::*;

const A: &str = "http://127.0.0.1:1/mcp";
const B: &str = "http://127.0.0.1:2/mcp";
const C: &str = "http://127.0.0.1:3/mcp";

struct Probes {
    table: EndpointTable,
    server: ServerName,
}

impl Probes {
    fn of(server: &str) -> Self {
        let mut probes = Self {
            table: EndpointTable::default(),
            server: "s".parse().unwrap(),
        };
        probes.follow(server);
        probes
    }

    fn follow(&mut self, server: &str) {
        let text = format!("servers: {{s: {server}}}");
        let document = gateway_document::parse(&text, gateway_document::Format::Yaml).unwrap();
        self.table.follow(&document);
    }

    fn note(&mut self, url: &str, outcome: Result<u64, &str>) -> Noted {
        let outcome = outcome.map(Duration::from_millis).map_err(str::to_owned);
        let now = OffsetDateTime::UNIX_EPOCH;
        self.table.note(&self.server, url, outcome, now).unwrap()
    }

    fn fail(&mut self, url: &str) -> Noted {
        self.note(url, Err("gone"))
    }

    fn fall(&mut self, url: &str) {
        self.fail(url);
        self.fail(url);
    }

    /// The URLs that get no requests.
    fn out(&self) -> Vec<&str> {
        let all = [A, B, C].into_iter();
        all.filter(|url| {
            let known = self.table.get(&self.server, url);
            known.is_some_and(|known| known.is_out)
        })
        .collect()
    }

    fn share(&self, url: &str) -> u32 {
        self.table.get(&self.server, url).unwrap().share
    }
}

fn three() -> Probes {
    Probes::of(&format!("{{endpoints: ['{A}', '{B}', '{C}']}}"))
}

#[test]
fn it_takes_an_endpoint_out_after_two_failures_and_back_after_two_answers() {
    let mut probes = three();
    assert_eq!(probes.note(A, Ok(1)).change, Some(EndpointState::Up));
    let first = probes.fail(A);
    assert_eq!((first.change, first.is_doubtful), (None, true));
    assert_eq!(probes.out(), [""; 0]);
    let second = probes.fail(A);
    assert_eq!(second.change, Some(EndpointState::Down));
    assert!(second.changes_marks);
    assert_eq!(probes.out(), [A]);
    // An answer between two failures ends nothing.
    assert!(probes.note(A, Ok(1)).is_doubtful);
    probes.fail(A);
    assert_eq!(probes.out(), [A]);
    probes.note(A, Ok(1));
    let back = probes.note(A, Ok(1));
    assert_eq!(
        (back.change, back.changes_marks),
        (Some(EndpointState::Up), true)
    );
    assert_eq!(probes.out(), [""; 0]);
}

#[test]
fn it_keeps_those_that_were_well_last_when_all_are_down() {
    let mut probes = three();
    probes.fall(A);
    probes.fall(B);
    assert_eq!(probes.out(), [A, B]);
    probes.fall(C);
    assert_eq!(probes.out(), [A, B]);
    assert!(probes.table.all_down(&probes.server).is_some());
    // The first that comes back takes over from it.
    probes.note(A, Ok(1));
    probes.note(A, Ok(1));
    assert_eq!(probes.out(), [B, C]);
    assert!(probes.table.all_down(&probes.server).is_none());
}

#[test]
fn it_never_counts_on_an_endpoint_that_the_operator_drains() {
    let mut probes = Probes::of(&format!(
        "{{endpoints: ['{A}', {{url: '{B}', health: draining}}]}}"
    ));
    probes.note(B, Ok(1));
    probes.fall(A);
    assert_eq!(probes.out(), [""; 0]);
}

#[test]
fn it_takes_nobody_out_when_only_those_that_are_out_are_left_in_the_document() {
    let mut probes = three();
    probes.fall(A);
    assert_eq!(probes.out(), [A]);
    probes.follow(&format!("{{url: '{A}'}}"));
    assert_eq!(probes.out(), [""; 0]);
}

#[test]
fn it_gives_an_endpoint_that_stays_slow_less_and_less_and_then_more_again() {
    let mut probes = three();
    for _ in 0..10 {
        probes.note(A, Ok(10));
        probes.note(B, Ok(10));
    }
    assert_eq!((probes.share(A), probes.share(B)), (8, 8));
    // One slow answer is none.
    assert!(!probes.note(B, Ok(40)).changes_marks);
    let mut shares = vec![probes.share(B)];
    for _ in 0..40 {
        probes.note(A, Ok(10));
        probes.note(B, Ok(200));
        if shares.last() != Some(&probes.share(B)) {
            shares.push(probes.share(B));
        }
    }
    assert_eq!(shares, [8, 4, 2, 1]);
    assert_eq!(probes.share(A), 8);
    for _ in 0..60 {
        probes.note(B, Ok(10));
    }
    assert_eq!(probes.share(B), 8);
}

#[test]
fn it_moves_nothing_to_and_fro_for_a_latency_around_a_bound() {
    let mut probes = three();
    let mut changes = 0;
    for turn in 0..200 {
        probes.note(A, Ok(10));
        let latency = if turn % 2 == 0 { 14 } else { 18 };
        changes += usize::from(probes.note(B, Ok(latency)).changes_marks);
    }
    assert!(changes <= 1, "{changes} changes");
}

#[test]
fn it_takes_latencies_of_a_few_milliseconds_for_alike() {
    let mut probes = three();
    for _ in 0..50 {
        probes.note(A, Ok(0));
        assert!(!probes.note(B, Ok(5)).changes_marks);
    }
}

#[test]
fn it_leaves_shares_alone_where_a_hash_chooses() {
    let mut probes = Probes::of(&format!(
        "{{endpoints: ['{A}', '{B}'], upstream: {{balancing: ring_hash}}}}"
    ));
    for _ in 0..50 {
        probes.note(A, Ok(10));
        probes.note(B, Ok(500));
    }
    assert_eq!((probes.share(A), probes.share(B)), (8, 8));
}

#[test]
fn it_tells_envoys_the_hosts_as_their_clusters_name_them() {
    let mut probes = three();
    probes.fall(A);
    let mut marks = EndpointMarks::default();
    marks.set("s", "127.0.0.1:1", EndpointMark::Out);
    assert_eq!(probes.table.marks(), marks);
}
