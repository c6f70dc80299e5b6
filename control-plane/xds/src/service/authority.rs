//! The name by which an Envoy's bootstrap calls this control plane: Envoy sends it with each
//! stream, as the `:authority` of the request.

use tonic::codegen::http::Request;

/// A cluster of the Envoy's bootstrap: the one that leads here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority(pub(super) String);

/// Keeps the authority of a request where the service finds it.
pub(crate) fn keep_authority<B>(mut request: Request<B>) -> Request<B> {
    let authority = request.uri().authority().map(ToString::to_string);
    if let Some(authority) = authority {
        request.extensions_mut().insert(Authority(authority));
    }
    request
}
