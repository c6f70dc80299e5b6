//! Is PostgreSQL there, and does it answer?

use std::time::Instant;

use sqlx::{ConnectOptions as _, Connection as _};

use super::{Postgres, failure};
use crate::services::Health;

impl Postgres {
    /// Connects, asks for the version, and hangs up: a connection of the pool would not show that new ones are refused.
    pub async fn health(&self) -> Health {
        let started = Instant::now();
        let look = async {
            let mut connection = self.pool.connect_options().connect().await?;
            let version =
                sqlx::query_scalar::<_, String>("SELECT current_setting('server_version')")
                    .fetch_one(&mut connection)
                    .await?;
            connection.close().await?;
            Ok::<_, sqlx::Error>(version)
        };
        match look.await {
            Ok(version) => Health::Up {
                latency: started.elapsed(),
                detail: format!("PostgreSQL {version}"),
            },
            Err(error) => Health::Down {
                reason: failure::of_connecting(&self.settings.address, &error).message,
            },
        }
    }
}
