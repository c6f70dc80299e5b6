//! Paths that are no MCP endpoint, but that a server's router might take for one.

/// The paths of a policy's endpoints, as a lenient router reads them.
#[derive(Debug)]
pub(crate) struct LookAlikes(Vec<Vec<u8>>);

/// A path is decoded so often at most: enough for servers behind proxies that decode once each.
const MOST_DECODINGS: usize = 4;

impl LookAlikes {
    pub(crate) fn of<'a>(endpoints: impl Iterator<Item = &'a [u8]>) -> Self {
        Self(endpoints.map(leniently_read).collect())
    }

    /// Whether the path of a request, with or without query, leads to an endpoint when it is read
    /// leniently.
    pub(crate) fn match_path(&self, path: &[u8]) -> bool {
        let path = leniently_read(path);
        self.0.contains(&path)
    }
}

/// A path as the most lenient of routers reads it: decoded, in lower case, without empty segments,
/// dot segments, parameters of segments, and white space around them.
fn leniently_read(path: &[u8]) -> Vec<u8> {
    let end = path.iter().position(|byte| matches!(byte, b'?' | b'#'));
    let mut path = path
        .get(..end.unwrap_or(path.len()))
        .unwrap_or_default()
        .to_vec();
    for _ in 0..MOST_DECODINGS {
        let decoded = decoded_once(&path);
        if decoded == path {
            break;
        }
        path = decoded;
    }
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        let segment = segment
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        let is_blank = |byte: &u8| *byte <= b' ';
        let begin = segment.iter().position(|byte| !is_blank(byte));
        let end = segment.iter().rposition(|byte| !is_blank(byte));
        let segment = match (begin, end) {
            (Some(begin), Some(end)) => segment.get(begin..=end).unwrap_or_default(),
            _ => &[],
        };
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            segment => segments.push(segment.to_ascii_lowercase()),
        }
    }
    segments.join(&b'/')
}

/// Replaces each `%` and two hexadecimal digits by the byte that they stand for.
fn decoded_once(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        let byte = match (first, behind) {
            (b'%', [high, low, behind @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = behind;
                    high * 16 + low
                }
                _ => b'%',
            },
            _ => *first,
        };
        decoded.push(byte);
    }
    decoded
}

fn digit(character: u8) -> Option<u8> {
    let value = char::from(character).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_what_a_lenient_router_takes_for_an_endpoint() {
        let endpoints: [&[u8]; 2] = [b"/mcp", b"/servers/math/mcp"];
        let look_alikes = LookAlikes::of(endpoints.into_iter());
        for path in [
            "/mcp",
            "/mcp/",
            "//mcp",
            "/MCP",
            "/mcp//?a=b",
            "/mcp#x",
            "/%6dcp",
            "/%256Dcp",
            "/mcp%2f",
            "/x/../mcp",
            "/x/%2e%2e/mcp",
            "/./mcp",
            "/mcp/.",
            "\\mcp",
            "/x%5c..%5cmcp",
            "/mcp;a=b",
            "/mcp%20",
            "/mcp%00",
            "mcp",
            "/servers/MATH//mcp/",
            "/servers%2fmath/mcp",
            "/mcp/x/..",
            "/../mcp",
        ] {
            assert!(look_alikes.match_path(path.as_bytes()), "{path}");
        }
        for path in [
            "",
            "/",
            "/health",
            "/mcp/x",
            "/mcpx",
            "/servers/mcp",
            "/servers/math",
            "/%zz",
            "/mcp%",
            "/?/mcp",
        ] {
            assert!(!look_alikes.match_path(path.as_bytes()), "{path}");
        }
        assert!(!look_alikes.match_path(&[0xff; 10_000]));
    }
}
