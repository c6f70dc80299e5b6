//! The id of a call: the proxy's `x-request-id` where there is one.

use http::HeaderMap;

use call::CorrelationId;

/// An id longer than this is not one that a proxy makes; it would only swell the log.
const LONGEST: usize = 128;

/// The id that the proxy gave, or a new one when it gave none that is safe to print.
pub fn read(headers: &HeaderMap) -> CorrelationId {
    headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .filter(|id| {
            (1..=LONGEST).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
        })
        .map_or_else(CorrelationId::new, |id| CorrelationId(id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &[u8], kept: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-request-id",
            http::HeaderValue::from_bytes(header).expect("a header value"),
        );
        let id = read(&headers);
        assert_eq!(id.0.as_bytes() == header, kept, "{id:?}");
    }

    #[test]
    fn it_keeps_the_proxy_s_id_and_mints_one_for_what_is_not_an_id() {
        check(b"6f1c1c0e-7b7e-4e0e-9c56-0d2d5a1f0a11", true);
        check(b"abc", true);
        check(b"", false);
        check(b"two words", false);
        check("é".as_bytes(), false);
        check(&[b'x'; 129], false);
        let none = HeaderMap::new();
        assert_ne!(read(&none), read(&none));
    }
}
