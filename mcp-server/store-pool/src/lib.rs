//! Connections to the database of a program's own records, such as PORTCULLIS_STORE_URL.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};

use config::SslMode;

/// Milliseconds; the longest statement reads a page of records, and one that waits for a lock gives
/// up.
const STATEMENT_TIMEOUT: &str = "10000";

/// Prepares a pool without connecting.
///
/// # Errors
/// When `url` is no address of a PostgreSQL; the error does not show it.
pub fn open(url: &str, application: &str, most: u32) -> anyhow::Result<PgPool> {
    let options = options("PORTCULLIS_STORE_URL", url)?.application_name(application);
    Ok(PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(Duration::from_secs(5))
        .connect_lazy_with(options))
}

/// How records are connected to: a statement has a time, and what leaves the machine is encrypted
/// unless the address says otherwise. `variable` is where the address was read from.
///
/// # Errors
/// When `url` is no address of a PostgreSQL; the error names `variable`, and does not show `url`.
pub fn options(variable: &str, url: &str) -> anyhow::Result<PgConnectOptions> {
    // The URL holds a password, so the errors that would show it are dropped.
    let malformed = || {
        anyhow::anyhow!(
            "{variable} is no address of the form `postgres://user:password@host:port/database`"
        )
    };
    let options = PgConnectOptions::from_str(url).map_err(|_| malformed())?;
    let options = options
        .options([
            ("statement_timeout", STATEMENT_TIMEOUT),
            // Migrations find at each start that their tables exist already.
            ("client_min_messages", "warning"),
        ])
        .disable_statement_logging();
    let url = url::Url::parse(url).map_err(|_| malformed())?;
    let names_a_mode = |name: &str| name == "sslmode" || name == "ssl-mode";
    if url.query_pairs().any(|(name, _)| names_a_mode(&name)) {
        return Ok(options);
    }
    // The driver's own choice would go on in clear when TLS fails.
    let mode = match SslMode::usual_for(options.get_host()) {
        SslMode::Disable => PgSslMode::Disable,
        _ => PgSslMode::VerifyFull,
    };
    Ok(options.ssl_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_encrypts_what_leaves_the_machine_unless_the_address_itself_says_otherwise() {
        for (url, verifies) in [
            ("postgres://u:p@db.example.com/x", true),
            ("postgres://u:p@10.0.0.1:5433/x?application_name=a", true),
            // Only a parameter counts, not the same letters elsewhere.
            ("postgres://u:sslmode=@db.example.com/x", true),
            (
                "postgres://u:p@db.example.com/x?options=-c%20a.sslmode=b",
                true,
            ),
            ("postgres://u:p@127.0.0.1/x", false),
            ("postgres://u:p@localhost/x", false),
            ("postgres://u:p@db.example.com/x?sslmode=disable", false),
            ("postgres://u:p@db.example.com/x?ssl-mode=disable", false),
        ] {
            let options = options("PORTCULLIS_STORE_URL", url);
            let mode = options.expect("an address").get_ssl_mode();
            assert_eq!(
                matches!(mode, PgSslMode::VerifyFull),
                verifies,
                "{url}: {mode:?}"
            );
            assert!(
                verifies || matches!(mode, PgSslMode::Disable),
                "{url}: {mode:?}"
            );
        }
    }
}
