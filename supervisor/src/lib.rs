//! Starts local programs, waits until they are ready, restarts what crashes, and stops everything
//! in order.
//!
//! `portcullis up` runs the whole product on this crate. It knows nothing of Envoy, Spark or
//! PostgreSQL: what to run, and what "ready" means for it, comes in as a [`Program`].
//!
//! # How the types meet
//!
//! A [`Program`] says what to run, as whom, where its output goes, by which [`Readiness`] it is
//! ready and works, and whether it is [`Restart`]ed. [`Supervisor::start`] makes a process of it
//! and returns when it is ready, or with a [`StartError`] that carries the end of its log. What
//! happens afterwards arrives as [`Event`]s. [`Supervisor::stop_all`] ends the processes, the last
//! one first.
//!
//! # What it never does
//!
//! - Leave a process behind: each has a process group of its own, which is killed when its leader
//!   has ended, and the kernel ends the leader when the supervising process dies, however it dies.
//!   The kernel ties that to the *thread* that started it: run a supervisor on a current-thread
//!   runtime, or on threads that live as long as the program.
//! - Read or interpret what a program prints, beyond showing the end of it when the program failed.
//!
//! ```
//! # use supervisor::{Program, Readiness, Supervisor};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let (supervisor, _events) = Supervisor::new();
//! let sleeper = Program::new("sleeper", "sleep", folder.path().join("sleeper.log"))
//!     .arg("60")
//!     .ready_when(Readiness::Started);
//! supervisor.start(sleeper).await?;
//! supervisor.stop_all().await;
//! # Ok(()) }
//! ```

mod account;
mod keeper;
mod log_tail;
mod port;
mod process;
mod program;
mod readiness;
mod restart;
mod supervisor;
mod watch;

pub use account::Account;
pub use keeper::{Event, StartError, Status};
pub use log_tail::log_tail;
pub use port::{Holder, free_port, holder_of, is_free};
pub use program::{Program, Stop};
pub use readiness::Readiness;
pub use restart::{CRASH_LOOP, Restart};
pub use rustix::process::Signal;
pub use supervisor::Supervisor;
