//! How fast a change reaches a fleet of simulated Envoys, and what each of them costs the server.
//!
//! `cargo bench -p xds --bench fleet -- --envoys 1000,3000 --rounds 30`. The server runs alone in a
//! process of its own; this one plays the Envoys, each with a connection of its own and the delta
//! protocol. The floor is a bare tonic service that sends the same bytes and counts the answers: it
//! compares nothing, orders nothing and remembers nothing. The two take turns. No time is asserted;
//! it fails where an Envoy does not get everything.

mod content;
mod envoy;
mod floor;
mod plot;
mod process;
mod server;

use std::path::PathBuf;

use anyhow::Context as _;
use content::Size;
use process::{Measured, ServerProcess};

/// The argument by which this program starts itself as a server.
const SERVE: &str = "--serve";

/// The servers that are measured beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Ours,
    Floor,
}

impl Subject {
    const BOTH: [Self; 2] = [Self::Ours, Self::Floor];

    fn name(self) -> &'static str {
        match self {
            Self::Ours => "portcullis",
            Self::Floor => "floor: bare tonic",
        }
    }

    fn from_name(name: &str) -> anyhow::Result<Self> {
        let named = Self::BOTH.into_iter().find(|one| one.name() == name);
        named.with_context(|| format!("there is no server `{name}`"))
    }
}

/// The figures of one fleet before one server.
struct Figures {
    envoys: usize,
    first_sync: Measured,
    /// Each round's change of one resource.
    one: Vec<Measured>,
    /// Each round's change of ten resources.
    ten: Vec<Measured>,
    bytes_per_envoy: i64,
}

impl Figures {
    /// The server's processor time for a change of one resource, per Envoy, in microseconds.
    fn processor_of_one(&self) -> f64 {
        let times = self.one.iter().map(Measured::processor_microseconds);
        times.sum::<f64>() / (self.one.len() * self.envoys) as f64
    }

    fn kilobytes_per_envoy(&self) -> f64 {
        self.bytes_per_envoy as f64 / 1_000.0
    }
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    if let Some(subject) = option(SERVE) {
        let size = Size::of_routes(number("--routes", 38)?);
        return runtime.block_on(server::run(Subject::from_name(&subject)?, size));
    }
    // `cargo bench` says so; whoever runs tests does not.
    if std::env::args().any(|argument| argument == "--bench") {
        return Plan::from_arguments()?.run(&runtime);
    }
    let arguments = libtest_mimic::Arguments::from_args();
    let small = libtest_mimic::Trial::test("it_measures_a_small_fleet", move || {
        Ok(Plan::small().run(&runtime)?)
    });
    libtest_mimic::run(&arguments, vec![small]).exit()
}

/// How many of everything are measured.
struct Plan {
    rounds: usize,
    fleets: Vec<usize>,
    /// Numbers of tables of routes that `few` Envoys are given.
    routes: Vec<usize>,
    few: usize,
    growing_fleets: Vec<usize>,
    plot: Option<PathBuf>,
}

impl Plan {
    fn from_arguments() -> anyhow::Result<Self> {
        Ok(Self {
            rounds: number("--rounds", 30)?,
            fleets: numbers("--envoys", &[1_000, 3_000])?,
            routes: numbers("--growth-routes", &[10, 100, 1_000, 10_000])?,
            few: number("--few-envoys", 100)?,
            growing_fleets: numbers("--growth-envoys", &[100, 300, 1_000, 3_000])?,
            plot: option("--plot").map(PathBuf::from),
        })
    }

    /// Everything, with as few of each as there can be.
    fn small() -> Self {
        Self {
            rounds: 2,
            fleets: vec![5],
            routes: vec![10, 20],
            few: 2,
            growing_fleets: vec![1, 3],
            plot: None,
        }
    }

    fn run(&self, runtime: &tokio::runtime::Runtime) -> anyhow::Result<()> {
        println!("{}", content::describe(Size::usual()));
        println!("{}", heading());
        for envoys in &self.fleets {
            compare(runtime, *envoys, self.rounds)?;
        }
        let few = self.few;
        println!("\ngrowth with the resources, {few} Envoys, one changes");
        let of_routes = growth(
            runtime,
            "tables of routes",
            &self.routes,
            self.rounds,
            |routes| (Size::of_routes(routes), few),
        )?;
        println!("\ngrowth with the Envoys, one resource of the usual ones changes");
        let of_envoys = growth(
            runtime,
            "Envoys",
            &self.growing_fleets,
            self.rounds,
            |envoys| (Size::usual(), envoys),
        )?;
        let drawn = plot::draw(&[("tables of routes", &of_routes), ("Envoys", &of_envoys)]);
        if let Some(file) = &self.plot {
            std::fs::write(file, drawn)
                .with_context(|| format!("cannot write `{}`", file.display()))?;
        }
        Ok(())
    }
}

fn heading() -> String {
    format!(
        "{:22}{:>8}{:>9}{:>14}{:>12}{:>9}{:>12}{:>14}{:>10}",
        "",
        "Envoys",
        "sync ms",
        "CPU µs/Envoy",
        "one p50 ms",
        "one p99",
        "ten p50 ms",
        "CPU µs/Envoy",
        "KB/Envoy"
    )
}

/// One fleet before both servers, with a server in turn.
fn compare(runtime: &tokio::runtime::Runtime, envoys: usize, rounds: usize) -> anyhow::Result<()> {
    let mut p50 = Vec::new();
    for subject in Subject::BOTH {
        let figures = measure(runtime, subject, Size::usual(), envoys, rounds)?;
        p50.push((figures.first_sync.milliseconds(), median(&figures.one)));
        println!("{}", row(subject.name(), &figures));
    }
    if let [(our_sync, ours), (floor_sync, floor)] = p50[..] {
        println!(
            "{:22}{envoys:8}{:8.2}x{:25.2}x\n",
            "ours : floor",
            our_sync / floor_sync,
            ours / floor
        );
    }
    Ok(())
}

fn row(title: &str, figures: &Figures) -> String {
    format!(
        "{title:22}{:8}{:9.0}{:14.0}{:12.1}{:9.1}{:12.1}{:14.1}{:10.0}",
        figures.envoys,
        figures.first_sync.milliseconds(),
        figures.first_sync.processor_microseconds() / figures.envoys as f64,
        median(&figures.one),
        quantile(&figures.one, 0.99),
        median(&figures.ten),
        figures.processor_of_one(),
        figures.kilobytes_per_envoy(),
    )
}

fn measure(
    runtime: &tokio::runtime::Runtime,
    subject: Subject,
    size: Size,
    envoys: usize,
    rounds: usize,
) -> anyhow::Result<Figures> {
    let mut server = ServerProcess::start(subject, size)?;
    // What the first ones cost is the process's own.
    let warming = runtime.block_on(envoy::connect(&server.address, 8, size));
    server.wait_for_fleet(8)?;
    let before = server.memory()?;
    server.begin_fleet(8 + envoys)?;
    let fleet = runtime.block_on(envoy::connect(&server.address, envoys, size));
    let first_sync = server.measured()?;
    for _ in 0..3 {
        server.change(1)?;
    }
    let grown = server.memory()? as i64 - before as i64;
    let one = (0..rounds)
        .map(|_| server.change(1))
        .collect::<anyhow::Result<_>>()?;
    let ten = (0..rounds)
        .map(|_| server.change(10))
        .collect::<anyhow::Result<_>>()?;
    drop((fleet, warming));
    Ok(Figures {
        envoys,
        first_sync,
        one,
        ten,
        bytes_per_envoy: grown / envoys as i64,
    })
}

/// The figures as one number grows.
fn growth(
    runtime: &tokio::runtime::Runtime,
    grows: &str,
    steps: &[usize],
    rounds: usize,
    case: impl Fn(usize) -> (Size, usize),
) -> anyhow::Result<Vec<(usize, Figures)>> {
    let mut grown = Vec::new();
    for step in steps {
        let (size, envoys) = case(*step);
        let figures = measure(runtime, Subject::Ours, size, envoys, rounds)?;
        println!("{}", row(&format!("{step} {grows}"), &figures));
        grown.push((*step, figures));
    }
    Ok(grown)
}

fn median(measured: &[Measured]) -> f64 {
    quantile(measured, 0.5)
}

/// The time in milliseconds that this share of the rounds took at most.
fn quantile(measured: &[Measured], share: f64) -> f64 {
    let mut times: Vec<f64> = measured.iter().map(Measured::milliseconds).collect();
    times.sort_by(f64::total_cmp);
    let place = (times.len() as f64 * share) as usize;
    times
        .get(place.min(times.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

fn option(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}

fn number(name: &str, default: usize) -> anyhow::Result<usize> {
    let given = option(name).map(|given| given.parse());
    Ok(given
        .transpose()
        .with_context(|| format!("`{name}` takes a number"))?
        .unwrap_or(default))
}

fn numbers(name: &str, default: &[usize]) -> anyhow::Result<Vec<usize>> {
    let Some(given) = option(name) else {
        return Ok(default.to_vec());
    };
    let numbers = given
        .split(',')
        .filter(|one| !one.is_empty())
        .map(str::parse);
    numbers
        .collect::<Result<_, _>>()
        .with_context(|| format!("`{name}` takes numbers with commas between them"))
}
