//! A PostgreSQL of our own on this machine: its programs, its cluster, and how to run it.
//!
//! `portcullis up` keeps one for the product, and the tests keep one for each of their runs
//! ([`TestCluster`]). It knows nothing of what is stored there.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use local_postgres::{Programs, TestCluster, account};
//!
//! let programs = Programs::of_this_machine()?;
//! println!("{:?} as {:?}", programs.folder(), account()?);
//! println!("listening on {}", TestCluster::of_this_run("a password").port());
//! # Ok(()) }
//! ```

mod account;
mod cluster;
mod programs;
mod server;
mod test_cluster;

pub use account::account;
pub use cluster::{make_cluster, make_folder};
pub use programs::Programs;
pub use server::{ServerState, arguments, state};
pub use test_cluster::TestCluster;
