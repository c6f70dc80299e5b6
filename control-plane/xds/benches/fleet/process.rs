//! The process of a server, as the one that measures has it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    str::FromStr,
};

use anyhow::Context as _;

use crate::{SERVE, Subject, content::Size};

/// A line that a server is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Wait until so many Envoys have everything.
    Fleet(usize),
    /// Change so many tables of routes, and wait until all have them.
    Change(usize),
    /// Say how much memory is in use.
    Memory,
}

impl FromStr for Command {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let (word, count) = line.split_once(' ').context("a word and a number")?;
        let count = count.parse()?;
        match word {
            "fleet" => Ok(Self::Fleet(count)),
            "change" => Ok(Self::Change(count)),
            "memory" => Ok(Self::Memory),
            _ => anyhow::bail!("`{word}` is no command"),
        }
    }
}

/// How long something took, and how long the server's threads had a processor for it.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    microseconds: f64,
    processor: f64,
}

impl Measured {
    pub fn milliseconds(&self) -> f64 {
        self.microseconds / 1_000.0
    }

    pub fn processor_microseconds(&self) -> f64 {
        self.processor
    }
}

/// A running server; it ends with this.
pub struct ServerProcess {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub address: String,
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl ServerProcess {
    pub fn start(subject: Subject, size: Size) -> anyhow::Result<Self> {
        let mut child = std::process::Command::new(std::env::current_exe()?)
            .args([SERVE, subject.name(), "--routes", &size.routes.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take().context("its input is a pipe")?;
        let answers = child.stdout.take().context("its output is a pipe")?;
        let mut server = Self {
            child,
            orders,
            answers: BufReader::new(answers),
            address: String::new(),
        };
        server.address = format!("http://127.0.0.1:{}", server.read()?);
        Ok(server)
    }

    /// Tells it how many Envoys there will be, from which moment it measures.
    pub fn begin_fleet(&mut self, envoys: usize) -> anyhow::Result<()> {
        self.order("fleet", envoys)
    }

    /// Waits until so many Envoys have everything.
    pub fn wait_for_fleet(&mut self, envoys: usize) -> anyhow::Result<()> {
        self.order("fleet", envoys)?;
        self.measured().map(drop)
    }

    /// Has it change so many tables of routes, and waits until all have them.
    pub fn change(&mut self, count: usize) -> anyhow::Result<Measured> {
        self.order("change", count)?;
        self.measured()
    }

    pub fn memory(&mut self) -> anyhow::Result<usize> {
        self.order("memory", 0)?;
        Ok(self.read()?.parse()?)
    }

    /// Reads how long the last order took.
    pub fn measured(&mut self) -> anyhow::Result<Measured> {
        let line = self.read()?;
        let (elapsed, processor) = line.split_once(' ').context("two numbers")?;
        Ok(Measured {
            microseconds: elapsed.parse()?,
            processor: processor.parse()?,
        })
    }

    fn order(&mut self, word: &str, count: usize) -> anyhow::Result<()> {
        writeln!(self.orders, "{word} {count}")?;
        Ok(self.orders.flush()?)
    }

    fn read(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line)?;
        anyhow::ensure!(read > 0, "the server has ended");
        Ok(line.trim_end().to_owned())
    }
}
