//! The front of an HTTP/1.1 server that bounds what clients make it hold: so many connections at
//! once, each of which must send the heads of its requests in time and go on taking what it is
//! answered; bodies within a size and a time, all together within a budget; and answers that wait
//! for their clients within another. `axum::serve` knows none of these bounds.
//!
//! [`listen`] makes a listener at which a crowd may knock. [`Front`] serves a router on it, and
//! tells whom it has no place for. A [`BodyReader`] reads the bodies, and says by an [`UnreadBody`]
//! why one was not read to its end. An [`AnswerBudget`] counts the bytes of answers until they are
//! written.
//!
//! The crate has no words for clients, and knows nothing of what they ask for: its user says how
//! long, how many and how large, and writes every refusal in its own form. It bounds no request
//! that runs.
//!
//! ```
//! use std::time::Duration;
//! use axum::response::IntoResponse;
//! use http_front::{ConnectionLimits, Front};
//!
//! let front = Front {
//!     router: axum::Router::new(),
//!     limits: ConnectionLimits {
//!         at_once: 256,
//!         refused_at_once: 64,
//!         head: Duration::from_secs(15),
//!         write: Duration::from_secs(30),
//!     },
//!     refuse: |refused| {
//!         let words = format!("all {} connections are in use", refused.at_once);
//!         (http::StatusCode::SERVICE_UNAVAILABLE, words).into_response()
//!     },
//! };
//! # drop(front);
//! ```

mod answers;
mod bodies;
mod connections;
mod listening;

pub use answers::{AnswerBudget, AnswerLimits, AnswerOverBudget};
pub use bodies::{BegunBody, BodyLimits, BodyPlace, BodyReader, ReadBody, UnreadBody};
pub use connections::{ConnectionLimits, Front, Refused};
pub use listening::listen;
