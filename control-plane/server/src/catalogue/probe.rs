//! Asks one endpoint of a server for a sign of life, and measures how long that takes.

use std::time::{Duration, Instant};

use gateway_document::EndpointUrl;
use serde_json::json;

use super::client::CatalogueClient;
use super::era::Era;
use super::list_error::ListError;
use super::with_causes;

/// How long a sign of life may take. Every server answers this question without doing anything; one
/// that takes longer would keep each call for as long. With less, a pause of a garbage collector or
/// a lost packet would count as the end of a server.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

impl CatalogueClient {
    /// Asks for what each server of MCP 2026-07-28 must answer, and costs it nothing
    /// (`server/discover`). An older one refuses it, which is a sign of life as well; an error of
    /// the server (5xx) is none.
    ///
    /// # Errors
    /// When no such answer comes in time; says why, in words.
    pub async fn probe(&self, endpoint: &EndpointUrl) -> Result<Duration, String> {
        const METHOD: &str = "server/discover";
        let url = endpoint.as_str();
        let era = Era::newest();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": METHOD,
            "params": era.complete(json!({}))});
        let began = Instant::now();
        let asked = self.post(url, &era, METHOD, &body);
        match tokio::time::timeout(ANSWER_WITHIN, asked).await {
            Err(_) => Err(format!(
                "`{url}` did not answer within {} s; look whether the server hangs",
                ANSWER_WITHIN.as_secs()
            )),
            Ok(Ok(_) | Err(ListError::Refused { .. })) => Ok(began.elapsed()),
            Ok(Err(ListError::Status { status, .. })) if !status.is_server_error() => {
                Ok(began.elapsed())
            }
            Ok(Err(error)) => Err(with_causes(&error)),
        }
    }
}
