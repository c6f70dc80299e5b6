//! Messages of MCP as lines, for rmcp: one JSON-RPC message a line, each way.
//!
//! rmcp has such a transport of its own, which writes here. Its reader passes over a line that is
//! no JSON, or is too long, without a word, and the client waits for an answer; here the client is
//! told ([`LineTransport`]). What a message means this crate does not know.

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use rmcp::model::{ClientJsonRpcMessage, ErrorCode, ErrorData, RequestId, ServerJsonRpcMessage};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::{AsyncRwTransport, DEFAULT_MAX_LINE_LENGTH};
use serde::Deserialize as _;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, Empty, empty};
use tokio_util::codec::{AnyDelimiterCodec, AnyDelimiterCodecError, Decoder, FramedRead};

/// The mark that some programs write before the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Hears the code with which a line was answered that is no message.
pub type HearRefusal = fn(ErrorCode);

/// Messages as lines that are read from `R` and written to `W`. A line that is no message is
/// answered with an error, and the next one is read.
pub struct LineTransport<R, W: AsyncWrite> {
    lines: FramedRead<R, Lines>,
    writer: AsyncRwTransport<RoleServer, Empty, W>,
    refused: HearRefusal,
    /// An error that is being sent. It is kept here because who receives may stop waiting at any
    /// time.
    refusing: Option<BoxFuture<'static, std::io::Result<()>>>,
}

impl<R, W> LineTransport<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// `refused` hears of each line that is no message.
    pub fn new(read: R, write: W, refused: HearRefusal) -> Self {
        Self::with_longest_line(read, write, refused, DEFAULT_MAX_LINE_LENGTH)
    }

    fn with_longest_line(read: R, write: W, refused: HearRefusal, most: usize) -> Self {
        let end = || b"\n".to_vec();
        let lines = Lines(AnyDelimiterCodec::new_with_max_length(end(), end(), most));
        Self {
            lines: FramedRead::new(read, lines),
            writer: AsyncRwTransport::new(empty(), write),
            refused,
            refusing: None,
        }
    }

    fn refuse(&mut self, refused: RefusedLine) {
        let RefusedLine { id, code, message } = refused;
        (self.refused)(code);
        let error = ErrorData::new(code, message, None);
        let sending = self.writer.send(ServerJsonRpcMessage::error(error, id));
        self.refusing = Some(sending.boxed());
    }
}

/// Lines of a bounded length. A reader whose decoder fails waits for more bytes before it decodes
/// what it has, so a line that is too long is an item.
struct Lines(AnyDelimiterCodec);

/// The line was longer than lines may be, and is passed over.
struct TooLong;

impl Decoder for Lines {
    type Item = Result<Bytes, TooLong>;
    type Error = std::io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> std::io::Result<Option<Self::Item>> {
        item(self.0.decode(buffer))
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> std::io::Result<Option<Self::Item>> {
        item(self.0.decode_eof(buffer))
    }
}

fn item(
    decoded: Result<Option<Bytes>, AnyDelimiterCodecError>,
) -> std::io::Result<Option<Result<Bytes, TooLong>>> {
    match decoded {
        Ok(line) => Ok(line.map(Ok)),
        Err(AnyDelimiterCodecError::MaxChunkLengthExceeded) => Ok(Some(Err(TooLong))),
        Err(AnyDelimiterCodecError::Io(error)) => Err(error),
    }
}

/// A line that is no message, and the error that its sender is told.
struct RefusedLine {
    id: Option<RequestId>,
    code: ErrorCode,
    message: &'static str,
}

/// The message of a line; none where the line asks for nothing.
fn read_line(line: &[u8]) -> Result<Option<ClientJsonRpcMessage>, RefusedLine> {
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    if let Ok(message) = serde_json::from_slice(line) {
        return Ok(Some(message));
    }
    let Ok(other) = serde_json::from_slice::<Value>(line) else {
        return Err(RefusedLine {
            id: None,
            code: ErrorCode::PARSE_ERROR,
            message: "the line is not JSON; write one JSON-RPC message a line",
        });
    };
    let id = other.get("id");
    if id.is_none() && other.get("method").is_some_and(Value::is_string) {
        // Nobody answers a notification, be it one that nobody knows.
        return Ok(None);
    }
    Err(RefusedLine {
        id: id.and_then(|id| RequestId::deserialize(id).ok()),
        code: ErrorCode::INVALID_REQUEST,
        message: "the line is JSON, but not one JSON-RPC 2.0 message",
    })
}

impl<R, W> Transport<RoleServer> for LineTransport<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = std::io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.writer.send(message)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if let Some(refusing) = &mut self.refusing {
                let refused = refusing.await;
                self.refusing = None;
                refused.ok()?;
            }
            let read = match self.lines.next().await {
                Some(Ok(Ok(line))) => read_line(&line),
                Some(Ok(Err(TooLong))) => Err(RefusedLine {
                    id: None,
                    code: ErrorCode::INVALID_REQUEST,
                    message: "the line is longer than 16 MiB; send less at once",
                }),
                Some(Err(error)) => {
                    tracing::error!(%error, "standard input cannot be read");
                    return None;
                }
                None => return None,
            };
            match read {
                Ok(Some(message)) => return Some(message),
                Ok(None) => {}
                Err(refused) => self.refuse(refused),
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.writer.close().await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, duplex};

    use super::*;

    const PING: &str = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;

    /// Sends these lines; the answers to those that are no messages, once a ping behind them has
    /// come.
    async fn answers_to(lines: &[&str]) -> Vec<Value> {
        let (mut client, read) = duplex(1 << 16);
        let (write, answers) = duplex(1 << 16);
        let mut transport = LineTransport::with_longest_line(read, write, |_| {}, 200);
        let text = format!("{}\n{PING}\n", lines.join("\n"));
        client.write_all(text.as_bytes()).await.expect("it is read");
        let received = transport.receive().await.expect("the ping comes");
        assert_eq!(
            serde_json::to_value(received).expect("JSON")["id"],
            json!(7)
        );
        drop(client);
        assert!(transport.receive().await.is_none());
        transport.close().await.expect("it can be closed");
        drop(transport);
        let mut answers = BufReader::new(answers).lines();
        let mut said = Vec::new();
        while let Some(line) = answers.next_line().await.expect("it is text") {
            said.push(serde_json::from_str(&line).expect("JSON"));
        }
        said
    }

    #[tokio::test]
    async fn it_answers_each_line_that_is_no_message_and_goes_on() {
        let long = "x".repeat(300);
        for (line, code, id) in [
            ("nonsense", -32700, Value::Null),
            ("{\"jsonrpc\":", -32700, Value::Null),
            ("[]", -32600, Value::Null),
            (r#"{"jsonrpc":"2.0","id":3}"#, -32600, json!(3)),
            (&long, -32600, Value::Null),
        ] {
            let said = answers_to(&[line]).await;
            let [answer] = &said[..] else {
                panic!("one answer to {line}: {said:?}");
            };
            assert_eq!(answer["error"]["code"], json!(code), "{line}");
            assert_eq!(answer["id"], id, "{line}");
        }
    }

    #[tokio::test]
    async fn it_answers_no_notification_and_no_empty_line() {
        let unknown = r#"{"jsonrpc":"2.0","method":"window/logMessage","params":[]}"#;
        let none: [Value; 0] = [];
        assert_eq!(answers_to(&["", "\r", unknown]).await, none);
    }
}
