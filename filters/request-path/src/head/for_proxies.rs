//! Headers that only a proxy may write: a client's own go to no server.

/// Behind `x-`, the headers by which a proxy tells a server of the request that it had itself:
/// another method, path, host or scheme (ASP.NET and OData: `x-http-method`; IIS and Symfony:
/// `x-original-url`, `x-rewrite-url`; WSGI: `x-script-name`), or what only Envoy or this filter may
/// say. A server that believes a client's own obeys another request than the one that was judged,
/// and Envoy's router takes time-outs and retries from some.
const PROXYS_STATEMENTS: [&[u8]; 6] = [
    b"envoy-",
    b"forwarded-",
    b"http-",
    b"original-",
    b"portcullis-",
    b"rewrite-",
];

/// Of these, the ones that Envoy writes, or adds to, before the filter sees them.
const ENVOYS_OWN: [&[u8]; 4] = [
    b"envoy-external-address",
    b"forwarded-client-cert",
    b"forwarded-for",
    b"forwarded-proto",
];

/// Whether a client's header of this name must not reach a server: it belongs to one connection
/// (RFC 9110 section 7.6.1; those that Envoy itself takes away are not named), or it says what only
/// a proxy may say.
pub(super) fn is_for_proxies(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b"x-") else {
        return matches!(
            name,
            b"forwarded"
                | b"front-end-https"
                | b"http2-settings"
                | b"proxy-authenticate"
                | b"te"
                | b"trailer"
        );
    };
    let is_known = matches!(
        rest,
        b"forwarded"
            | b"host"
            | b"method"
            | b"method-override"
            | b"proxy-host"
            | b"proxy-url"
            | b"scheme"
            | b"script-name"
            | b"url-scheme"
    );
    is_known
        || PROXYS_STATEMENTS
            .iter()
            .any(|begin| rest.starts_with(begin))
            && !ENVOYS_OWN.contains(&rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_headers_that_only_a_proxy_may_write() {
        for name in [
            "forwarded",
            "te",
            "x-envoy-expected-rq-timeout-ms",
            "x-envoy-original-path",
            "x-envoy-upstream-rq-timeout-ms",
            "x-forwarded-host",
            "x-forwarded-prefix",
            "x-http-method",
            "x-http-method-override",
            "x-method-override",
            "x-original-url",
            "x-rewrite-url",
        ] {
            assert!(is_for_proxies(name.as_bytes()), "{name}");
        }
        for name in [
            "x-envoy",
            "x-envoy-external-address",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-hosting",
            "x-request-id",
            "forwarded-by",
            "accept",
        ] {
            assert!(!is_for_proxies(name.as_bytes()), "{name}");
        }
    }
}
