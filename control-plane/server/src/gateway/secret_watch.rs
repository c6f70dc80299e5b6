//! Keeps the secrets of the gateway as their files are.

use std::sync::Arc;
use std::time::Duration;

use super::Gateway;

/// Looks after the secrets of everything that Envoys may have: takes up those that come into need,
/// reads those anew whose files have changed, and lets go of the rest. A changed file is taken at
/// the second look that finds it the same. Never returns.
pub async fn watch_secrets(gateway: Arc<Gateway>, interval: Duration) {
    loop {
        let looking = Arc::clone(&gateway);
        // Files may be slow, on a network above all.
        let looked = tokio::task::spawn_blocking(move || looking.look_at_secrets()).await;
        if let Err(error) = looked {
            tracing::error!(%error, "the secrets' files could not be looked at");
        }
        tokio::time::sleep(interval).await;
    }
}

impl Gateway {
    /// Looks once after every secret that is in need. It waits for files: call it aside.
    pub fn look_at_secrets(&self) {
        let documents = {
            let state = self.read();
            let built = [&state.desired.built, &state.current];
            let built = built.into_iter().chain(&state.accepted);
            let documents = built.map(|built| Arc::clone(&built.document));
            documents.collect::<Vec<_>>()
        };
        for document in &documents {
            self.secrets.adopt(document);
        }
        self.secrets.look();
        self.secrets.retain(documents.iter().map(|one| &***one));
    }
}
