//! The server's own process: it is told by lines what to do, and answers with figures.

use std::{
    future::Future,
    io::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server as ads;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    sync::watch,
};
use tonic::transport::{Server, server::TcpIncoming};
use xds::{Assignments, Distribution, Newcomers, Publisher, Resource, ResourceType, Snapshot};

use crate::{
    Subject,
    content::{self, Size},
    floor::{Floor, FloorService, Sent},
    process::Command,
};

/// One of the servers that are measured.
trait Measurable {
    /// The resources to hand out, as the server wants them.
    type Content;

    /// Prepares all resources, of which some have changed.
    fn prepare(&self, all: &[Arc<Resource>], changed: &[Arc<Resource>]) -> Self::Content;

    /// Hands it out; returns at once.
    fn hand_out(&self, content: Self::Content);

    /// Waits until so many Envoys have acknowledged all that was handed out.
    fn taken_by(&self, envoys: usize) -> impl Future<Output = ()>;
}

/// Does what it is told until nobody says anything more.
pub async fn run(subject: Subject, size: Size) -> anyhow::Result<()> {
    let listener = http_front::listen(([127, 0, 0, 1], 0).into())?;
    let port = listener.local_addr()?.port();
    match subject {
        Subject::Ours => obey(Ours::serve(listener), port, size).await,
        Subject::Floor => obey(FloorServer::serve(listener), port, size).await,
    }
}

async fn obey(server: impl Measurable, port: u16, size: Size) -> anyhow::Result<()> {
    let mut all = content::resources(size)?;
    server.hand_out(server.prepare(&all, &[]));
    // The floor has nothing for an Envoy that comes before that.
    answer(format_args!("{port}"))?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let (mut fleet, mut revision) = (0, 0);
    while let Some(line) = lines.next_line().await? {
        match line.parse()? {
            Command::Fleet(envoys) => {
                fleet = envoys;
                let begun = Begun::now()?;
                server.taken_by(fleet).await;
                answer(format_args!("{}", begun.told()?))?;
            }
            Command::Change(count) => {
                revision += 1;
                let changed = renew_routes(&mut all, count, revision)?;
                let content = server.prepare(&all, &changed);
                let begun = Begun::now()?;
                server.hand_out(content);
                server.taken_by(fleet).await;
                answer(format_args!("{}", begun.told()?))?;
            }
            Command::Memory => answer(format_args!("{}", resident()?))?,
        }
    }
    Ok(())
}

fn renew_routes(
    all: &mut [Arc<Resource>],
    count: usize,
    revision: usize,
) -> anyhow::Result<Vec<Arc<Resource>>> {
    let routes = all.iter_mut();
    let routes = routes.filter(|one| one.resource_type() == ResourceType::Route);
    let mut changed = Vec::new();
    for place in routes.take(count) {
        *place = Arc::new(content::table_of_routes(place.name(), revision)?);
        changed.push(Arc::clone(place));
    }
    Ok(changed)
}

fn answer(line: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    Ok(output.flush()?)
}

/// The moment from which something is measured.
struct Begun {
    at: Instant,
    processor: Duration,
}

impl Begun {
    fn now() -> anyhow::Result<Self> {
        Ok(Self {
            processor: processor_time()?,
            at: Instant::now(),
        })
    }

    /// The microseconds since then, and those of the processor.
    fn told(&self) -> anyhow::Result<String> {
        let elapsed = self.at.elapsed();
        let processor = processor_time()? - self.processor;
        Ok(format!("{} {}", elapsed.as_micros(), processor.as_micros()))
    }
}

/// The time that this process's threads have had on a processor.
fn processor_time() -> anyhow::Result<Duration> {
    let mut nanoseconds = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        // A thread may have ended since.
        let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        let first = text.split_ascii_whitespace().next();
        nanoseconds += first
            .and_then(|first| first.parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// The bytes of this process that are in memory.
fn resident() -> anyhow::Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    Ok(kilobytes.ok_or_else(|| anyhow::anyhow!("the kernel does not tell"))? << 10)
}

struct Ours(Publisher, watch::Sender<Option<Arc<Snapshot>>>);

impl Ours {
    fn serve(listener: TcpListener) -> Self {
        let publisher = Publisher::new();
        tokio::spawn(xds::serve(
            publisher.clone(),
            listener,
            xds::ServerLimits::default(),
            &[],
            std::future::pending(),
        ));
        Self(publisher, watch::Sender::new(None))
    }
}

impl Measurable for Ours {
    type Content = Arc<Snapshot>;

    fn prepare(&self, all: &[Arc<Resource>], _changed: &[Arc<Resource>]) -> Arc<Snapshot> {
        let generation = xds::Generation::of(all.iter().map(|resource| &**resource));
        let builder = all
            .iter()
            .cloned()
            .fold(Snapshot::builder(generation), xds::SnapshotBuilder::with);
        Arc::new(builder.build().expect("the resources fit together"))
    }

    fn hand_out(&self, snapshot: Arc<Snapshot>) {
        self.1.send_replace(Some(Arc::clone(&snapshot)));
        self.0.distribute(Distribution {
            connected: Assignments::Everyone(Arc::clone(&snapshot)),
            newcomers: Newcomers::all(snapshot),
            ack_deadline: Duration::from_secs(600),
        });
    }

    async fn taken_by(&self, envoys: usize) {
        let mut standings = self.0.standings();
        let snapshot = self.1.borrow().clone().expect("something was handed out");
        while self.0.tally(snapshot.generation()).acknowledged != envoys {
            standings.changed().await;
        }
    }
}

struct FloorServer {
    floor: Arc<Floor>,
    /// How many answers are due for each Envoy that was there, and since how many answers.
    due: watch::Sender<(usize, usize)>,
}

impl FloorServer {
    fn serve(listener: TcpListener) -> Self {
        let floor = Arc::new(Floor {
            sent: watch::Sender::default(),
            answers: watch::Sender::default(),
        });
        let service = FloorService(Arc::clone(&floor));
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        tokio::spawn(
            Server::builder()
                .add_service(ads::AggregatedDiscoveryServiceServer::new(service))
                .serve_with_incoming(incoming),
        );
        Self {
            floor,
            due: watch::Sender::default(),
        }
    }
}

impl Measurable for FloorServer {
    type Content = Sent;

    fn prepare(&self, all: &[Arc<Resource>], changed: &[Arc<Resource>]) -> Sent {
        if changed.is_empty() {
            return Sent::all_of(all);
        }
        self.floor.sent.borrow().with_change(changed)
    }

    fn hand_out(&self, sent: Sent) {
        // An Envoy answers for each type that it is sent something of.
        let each = match sent.change {
            Some(_) => 1,
            None => sent.all.len(),
        };
        self.due.send_replace((each, *self.floor.answers.borrow()));
        self.floor.sent.send_replace(sent);
    }

    async fn taken_by(&self, envoys: usize) {
        let (each, before) = *self.due.borrow();
        let mut answers = self.floor.answers.subscribe();
        let all = |answers: &usize| *answers == before + each * envoys;
        answers.wait_for(all).await.expect("the floor is there");
    }
}
