//! Finds the end of an HTTP/1.1 message whose length its head declares.

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Where a message in a buffer ends.
#[derive(Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes up to and including the empty line.
    pub head: usize,
    /// Bytes of the body.
    pub body: usize,
}

/// The extent of the message at the start of `buffer`, once its head is there. A head without
/// `content-length` has no body.
///
/// # Errors
/// A `content-length` that is no number, or a chunked body, which neither side of a benchmark
/// sends.
pub fn extent(buffer: &[u8]) -> Result<Option<Extent>> {
    let Some(end) = memmem::find(buffer, b"\r\n\r\n") else {
        return Ok(None);
    };
    let mut body = 0;
    for line in buffer[..end].split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits =
                std::str::from_utf8(value).context("a `content-length` that is not text")?;
            body = digits
                .parse()
                .with_context(|| format!("`{digits}` is no content length"))?;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            bail!("a chunked message, where a `content-length` was expected");
        }
    }
    Ok(Some(Extent {
        head: end + 4,
        body,
    }))
}

/// Reads until `buffer` starts with a complete message; `None` when the peer closed before its
/// first byte.
///
/// # Errors
/// The peer closed in the middle, or the head is not understood.
pub async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> Result<Option<Extent>> {
    loop {
        if let Some(extent) = extent(buffer)?
            && buffer.len() >= extent.head + extent.body
        {
            return Ok(Some(extent));
        }
        if stream.read_buf(buffer).await? == 0 {
            if buffer.is_empty() {
                return Ok(None);
            }
            bail!("the peer closed in the middle of a message");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_where_a_message_ends() {
        let check = |buffer: &[u8], expected: Option<(usize, usize)>| {
            let found = extent(buffer).expect("a readable head");
            assert_eq!(found.map(|extent| (extent.head, extent.body)), expected);
        };
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", None);
        check(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
            Some((38, 5)),
        );
        check(b"POST / HTTP/1.1\r\nhost: a:1\r\n\r\n", Some((30, 0)));
    }

    #[test]
    fn it_refuses_a_length_it_cannot_read() {
        assert!(extent(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n").is_err());
        assert!(extent(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
