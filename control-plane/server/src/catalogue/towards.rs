//! The client for one server: with the credential that it is to be shown, and by TLS.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway_document::{EndpointUrl, Secret, SecretName, Server};
use http::{HeaderName, HeaderValue};

use super::client::CatalogueClient;
use super::list_error::ListError;
use super::way::{ShownCredential, Way, tls_way};
use crate::secrets::{Material, Traces};

impl CatalogueClient {
    /// The client for one server of a document with these secrets.
    ///
    /// # Errors
    /// When a secret or a file that it takes cannot be used.
    pub async fn towards(
        &self,
        server: &Server,
        secrets: &BTreeMap<SecretName, Secret>,
    ) -> Result<Self, ListError> {
        let find = |name: &SecretName| {
            let keeper = self.secrets.as_ref();
            let reference = secrets.get(name);
            let found = keeper.and_then(|keeper| keeper.material(name, reference?));
            found.ok_or_else(|| ListError::NoSecret(name.clone()))
        };
        let mut way = Way::default();
        if let Some(credentials) = server.own_credentials() {
            let shown = credentials.in_header();
            let Material::Credential(text) = &*find(&credentials.secret)? else {
                return Err(ListError::NoSecret(credentials.secret.clone()));
            };
            let header = HeaderName::try_from(shown.name);
            let value = HeaderValue::try_from(format!("{}{text}", shown.prefix));
            let (Ok(header), Ok(mut value)) = (header, value) else {
                return Err(ListError::NoSecret(credentials.secret.clone()));
            };
            value.set_sensitive(true);
            way.credential = Some(ShownCredential {
                header,
                value,
                traces: Traces::of(text),
            });
        }
        if let Some(tls) = server.tls() {
            let authorities = match &tls.ca_secret {
                Some(name) => Some(find(name)?),
                None if tls.system_ca => {
                    let keeper = self.secrets.as_ref();
                    keeper.and_then(|keeper| keeper.system_authorities())
                }
                None => None,
            };
            let own = tls.secret.as_ref().map(find).transpose()?;
            let first = server.all_endpoints().next();
            let place = first.map(EndpointUrl::authority);
            let made = tls_way(&tls, place, authorities.as_deref(), own.as_deref());
            way.tls = Some(made.await.map_err(|source| ListError::Tls {
                url: first.map_or_else(String::new, ToString::to_string),
                source,
            })?);
        }
        let mut client = self.clone();
        client.way = Arc::new(way);
        Ok(client)
    }
}
