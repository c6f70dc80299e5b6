//! Finds the end of an HTTP/1.1 message, by the length that its head declares or by its chunks.

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Where a message in a buffer ends.
#[derive(Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes up to and including the empty line.
    pub head: usize,
    /// Bytes of the body, those between its chunks included.
    pub body: usize,
    /// Whether the body is sent in chunks.
    pub is_chunked: bool,
}

/// The extent of the message at the start of `buffer`, once its head is there, and all of its
/// chunks if it has some. A head without `content-length` and chunks has no body.
///
/// # Errors
/// A `content-length` that is no number, or chunks that are none.
pub fn extent(buffer: &[u8]) -> Result<Option<Extent>> {
    let Some(end) = memmem::find(buffer, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = end + 4;
    let mut body = 0;
    for line in buffer[..end].split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            body = number(value, 10, "content length")?;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Ok(end_of_chunks(&buffer[head..])?.map(|body| Extent {
                head,
                body,
                is_chunked: true,
            }));
        }
    }
    Ok(Some(Extent {
        head,
        body,
        is_chunked: false,
    }))
}

fn number(digits: &[u8], radix: u32, what: &str) -> Result<usize> {
    let digits = std::str::from_utf8(digits).with_context(|| format!("a {what} is not text"))?;
    usize::from_str_radix(digits, radix).with_context(|| format!("`{digits}` is no {what}"))
}

/// The content of the next chunk and where the one after it begins, once it is there.
fn chunk(body: &[u8], from: usize) -> Result<Option<(&[u8], usize)>> {
    let rest = &body[from..];
    let Some(line) = memmem::find(rest, b"\r\n") else {
        return Ok(None);
    };
    let size = rest[..line].split(|byte| *byte == b';').next();
    let size = number(size.unwrap_or_default().trim_ascii(), 16, "chunk size")?;
    let content = rest.get(line + 2..line + 2 + size);
    let next = from + line + 2 + size + 2;
    Ok(content
        .filter(|_| next <= body.len())
        .map(|content| (content, next)))
}

fn end_of_chunks(body: &[u8]) -> Result<Option<usize>> {
    let mut at = 0;
    while let Some((content, next)) = chunk(body, at)? {
        at = next;
        if content.is_empty() {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// The content of a whole body in chunks.
///
/// # Errors
/// It is not whole, or not in chunks.
pub fn without_chunks(body: &[u8]) -> Result<Vec<u8>> {
    let (mut whole, mut at) = (Vec::with_capacity(body.len()), 0);
    loop {
        let (content, next) = chunk(body, at)?.context("a body without its last chunk")?;
        if content.is_empty() {
            return Ok(whole);
        }
        whole.extend_from_slice(content);
        at = next;
    }
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
    fn it_finds_the_last_of_several_chunks_and_puts_them_together() {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let body = b"5\r\nhello\r\n6;x=1\r\n world\r\n0\r\n\r\n";
        let whole = [&head[..], body].concat();
        for cut in head.len()..whole.len() {
            assert_eq!(extent(&whole[..cut]).expect("readable"), None, "{cut}");
        }
        let expected = Extent {
            head: head.len(),
            body: body.len(),
            is_chunked: true,
        };
        assert_eq!(extent(&whole).expect("readable"), Some(expected));
        assert_eq!(without_chunks(body).expect("whole"), b"hello world");
        assert!(without_chunks(&body[..body.len() - 5]).is_err());
    }

    #[test]
    fn it_refuses_a_length_it_cannot_read() {
        assert!(extent(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n").is_err());
        assert!(extent(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nz\r\n").is_err());
    }
}
