//! Keeps the secrets of the gateway as their files are, and tells how they are.

use std::sync::Arc;
use std::time::Duration;

use gateway_document::GatewayDocument;
use serde::Serialize;
use utoipa::ToSchema;

use super::Gateway;

/// A secret of the document whose place holds nothing that can be used.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UnusableSecret {
    /// The name of the secret.
    pub name: String,
    /// `old`, where Envoys are given what was there before, or `missing`.
    pub state: &'static str,
    /// A sentence that says what is wrong with it, and what to do about it.
    pub reason: String,
}

/// Looks after the secrets of everything that Envoys may have: takes up those that come into need,
/// reads those anew whose files have changed, and lets go of the rest. A changed file is taken at
/// the second look that finds it the same. Never returns.
pub async fn watch_secrets(gateway: Arc<Gateway>, interval: Duration) {
    loop {
        gateway.look_at_secrets().await;
        tokio::time::sleep(interval).await;
    }
}

impl Gateway {
    /// Looks once after every secret that is in need.
    async fn look_at_secrets(&self) {
        let documents = {
            let state = self.read();
            let built = [&state.desired.built, &state.current];
            let built = built.into_iter().chain(&state.accepted);
            let documents = built.map(|built| Arc::clone(&built.document));
            documents.collect::<Vec<_>>()
        };
        let mut is_other = false;
        for document in &documents {
            is_other |= self.secrets.adopt(document).await;
        }
        is_other |= self.secrets.look().await;
        if is_other {
            // Whoever tells how they are looks again.
            self.written.send_modify(|count| *count += 1);
        }
        self.secrets.retain(documents.iter().map(|one| &***one));
    }

    /// The secrets of a document whose places hold nothing that can be used.
    #[must_use]
    pub fn unusable_secrets(&self, document: &GatewayDocument) -> Vec<UnusableSecret> {
        let secrets = document.secrets.iter().filter_map(|(name, reference)| {
            let status = self.secrets.status(name, reference);
            Some(UnusableSecret {
                name: name.to_string(),
                state: status.state.word(),
                reason: status.fault?,
            })
        });
        secrets.collect()
    }
}
