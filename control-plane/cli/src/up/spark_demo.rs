//! The demo table of the local Spark: 200 000 events in a Parquet file, made once, and made known to each new Connect server,
//! which forgets its tables when it ends.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::{mcp_client, output};

use super::control_plane::server_url;
use super::stack::Stack;

const PATIENCE: Duration = Duration::from_secs(120);
/// What Spark leaves in a folder that it has written in full.
const WRITTEN: &str = "_SUCCESS";

/// Makes the table `events` known, through the data server's own tool, past the gateway: a policy must not stand in the way.
///
/// # Errors
/// When the tool refuses; everything else works without the table.
async fn load(stack: &Stack) -> anyhow::Result<()> {
    let folder = stack.data.join("spark/warehouse/demo_events");
    let url = server_url(stack.settings.mcp_address);
    let result = mcp_client::call(
        &url,
        "execute_spark_sql",
        &json!({"sql": statement(&folder)?}),
        PATIENCE,
    )
    .await?;
    if result.get("isError") == Some(&Value::Bool(true)) {
        bail!(
            "{}",
            result["content"][0]["text"]
                .as_str()
                .unwrap_or("no reason given")
        );
    }
    Ok(())
}

/// Whether the demo table is there. Not having it is no reason not to be up.
pub(crate) async fn load_or_tell(stack: &Stack) -> bool {
    let outcome = load(stack).await;
    if let Err(error) = &outcome {
        output::tell(format_args!(
            "the Spark demo table `events` could not be made: {error:#}"
        ));
    }
    outcome.is_ok()
}

fn statement(folder: &Path) -> anyhow::Result<String> {
    let location = location(folder)?;
    if folder.join(WRITTEN).exists() {
        return Ok(format!(
            "CREATE TABLE IF NOT EXISTS events USING parquet LOCATION '{location}'"
        ));
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove the unfinished `{}`", folder.display()))?;
    }
    Ok(format!(
        "CREATE TABLE events USING parquet LOCATION '{location}' AS \
         SELECT id AS event_id, timestamp'2025-01-01 00:00:00' + make_interval(0, 0, 0, 0, 0, 0, id * 151) AS happened_at, \
         CAST(1 + (id * 7919) % 2000 AS INT) AS customer_id, \
         element_at(array('view', 'view', 'view', 'search', 'basket', 'purchase'), CAST(1 + id % 6 AS INT)) AS kind, \
         CAST((id * 41) % 60 AS INT) AS product_id, CAST((id * 53) % 300 AS INT) AS seconds \
         FROM range(1, 200001)"
    ))
}

/// The folder as a text that may stand in a SQL string.
fn location(folder: &Path) -> anyhow::Result<String> {
    let text = PathBuf::from(folder)
        .into_os_string()
        .into_string()
        .ok()
        .context("the data folder's name is no Unicode")?;
    if text.contains(['\'', '\\']) {
        bail!("the data folder's name has a quote or a backslash");
    }
    Ok(format!("file:{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_makes_the_table_once_and_afterwards_only_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("events");
        assert!(statement(&table).unwrap().contains(" AS SELECT "));
        std::fs::create_dir(&table).unwrap();
        assert!(statement(&table).unwrap().contains(" AS SELECT "));
        assert!(!table.exists(), "what is unfinished is removed");
        std::fs::create_dir(&table).unwrap();
        std::fs::write(table.join(WRITTEN), "").unwrap();
        assert!(!statement(&table).unwrap().contains(" AS SELECT "));
    }

    #[test]
    fn a_folder_that_would_end_the_sql_string_is_refused() {
        assert!(location(Path::new("/tmp/it's")).is_err());
    }
}
