//! The client for one server: with the credential that it is to be shown, and by TLS.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway_document::{EndpointUrl, Secret, SecretName, Server};
use http::{HeaderName, HeaderValue};

use super::client::CatalogueClient;
use super::list_error::ListError;
use super::way::{Way, tls_way};
use crate::secrets::Material;

impl CatalogueClient {
    /// The client for one server of a document with these secrets.
    ///
    /// # Errors
    /// When a secret or a file that it takes cannot be used.
    pub fn towards(
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
            let header = credentials.in_header();
            let Material::Credential(text) = &*find(&credentials.secret)? else {
                return Err(ListError::NoSecret(credentials.secret.clone()));
            };
            let name = HeaderName::try_from(header.name);
            let value = HeaderValue::try_from(format!("{}{text}", header.prefix));
            let (Ok(name), Ok(mut value)) = (name, value) else {
                return Err(ListError::NoSecret(credentials.secret.clone()));
            };
            value.set_sensitive(true);
            way.credential = Some((name, value));
        }
        if let Some(tls) = server.tls() {
            let authorities = tls.ca_secret.as_ref().map(find).transpose()?;
            let own = tls.secret.as_ref().map(find).transpose()?;
            let first = server.all_endpoints().next();
            let place = first.map(EndpointUrl::authority);
            let made = tls_way(&tls, place, authorities.as_deref(), own.as_deref());
            way.tls = Some(made.map_err(|source| ListError::Tls {
                url: first.map_or_else(String::new, ToString::to_string),
                source,
            })?);
        }
        let mut client = self.clone();
        client.way = Arc::new(way);
        Ok(client)
    }
}
