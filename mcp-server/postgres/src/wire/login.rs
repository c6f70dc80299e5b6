//! Opens a connection, encrypts it where that is asked for, and logs in.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use config::{Secret, SslMode};
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use rustix::net::sockopt;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::tls;
use super::{MessageBounds, ServerReport, Transport, Wire, WireError};

/// A server that has not let us in by then is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The silence after which the other machine is asked whether it is there: often enough that no
/// firewall forgets the connection, and seldom enough that an idle pool costs nothing.
const PROBED_AFTER: Duration = Duration::from_secs(30);

/// The time that it has to answer each probe.
const PROBED_EVERY: Duration = Duration::from_secs(10);

/// The probes after which it is gone: a minute in all, which a switch that restarts may take, and
/// far less than the hour for which a load waits for its COMMIT.
const PROBES: u32 = 3;

/// The milliseconds that bytes may be on their way: as long as the probes take.
#[cfg(target_os = "linux")]
const GONE_AFTER_MS: u32 = 60_000;

/// Everything that a connection is opened with.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Option<Secret>,
    pub(crate) database: String,
    pub(crate) ssl_mode: SslMode,
    pub(crate) ssl_root_cert: Option<PathBuf>,
    pub(crate) bounds: MessageBounds,
}

impl Login {
    /// Host and port, or the folder of the socket.
    pub(crate) fn address(&self) -> String {
        match self.host.starts_with('/') {
            true => self.host.clone(),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Why no connection could be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address does not answer.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The server says no.
    #[error("{}", .0.message)]
    Server(Box<ServerReport>),
    /// No encrypted connection could be made where one is demanded.
    #[error("{0}")]
    Tls(String),
    /// The server asks for something that this program does not do.
    #[error("{0}")]
    Unsupported(String),
    /// The server did not answer in time.
    #[error("no answer in time")]
    TimedOut,
}

impl From<WireError> for ConnectError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Io(error) => Self::Io(error),
            other => Self::Unsupported(other.to_string()),
        }
    }
}

/// The process that serves a connection, as the server describes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backend {
    pub(crate) process: i32,
    pub(crate) secret: i32,
    pub(crate) encrypted: bool,
}

/// Opens a connection and logs in.
pub(crate) async fn connect(login: &Login) -> Result<(Wire, Backend), ConnectError> {
    tokio::time::timeout(CONNECT_TIMEOUT, async {
        let (transport, encrypted) = open(login).await?;
        let mut wire = Wire::new(transport, login.bounds);
        let backend = authenticate(&mut wire, login, encrypted).await?;
        Ok((wire, backend))
    })
    .await
    .unwrap_or(Err(ConnectError::TimedOut))
}

/// Asks the server to cancel what a process of it runs, and waits until it has heard.
pub(crate) async fn cancel(login: &Login, backend: Backend) -> Result<(), ConnectError> {
    tokio::time::timeout(CONNECT_TIMEOUT, async {
        let (transport, _) = open(login).await?;
        let mut wire = Wire::new(transport, login.bounds);
        frontend::cancel_request(backend.process, backend.secret, wire.outgoing());
        wire.flush().await?;
        wire.drain().await;
        Ok(())
    })
    .await
    .unwrap_or(Err(ConnectError::TimedOut))
}

async fn open(login: &Login) -> Result<(Box<dyn Transport>, bool), ConnectError> {
    if login.host.starts_with('/') {
        let path = format!("{}/.s.PGSQL.{}", login.host, login.port);
        return Ok((Box::new(UnixStream::connect(path).await?), false));
    }
    let mut socket = open_socket(&login.host, login.port).await?;
    if login.ssl_mode == SslMode::Disable {
        return Ok((Box::new(socket), false));
    }
    let mut request = bytes::BytesMut::new();
    frontend::ssl_request(&mut request);
    socket.write_all(&request).await?;
    // One byte, and no more is read: what followed it in clear would else pass for encrypted.
    match socket.read_u8().await? {
        b'S' => {
            let root_cert = login.ssl_root_cert.as_deref();
            let encrypted = tls::encrypt(socket, &login.host, login.ssl_mode, root_cert)
                .await
                .map_err(ConnectError::Tls)?;
            Ok((Box::new(encrypted), true))
        }
        _ if login.ssl_mode == SslMode::Prefer => {
            tracing::warn!(
                host = login.host,
                "PostgreSQL offers no TLS, and POSTGRES_SSLMODE=prefer goes on without; \
                 set it to `verify-full`, or to `disable` if that is meant"
            );
            Ok((Box::new(socket), false))
        }
        _ => Err(ConnectError::Tls(
            "the server offers no TLS; the operator may set POSTGRES_SSLMODE=disable to go without"
                .to_owned(),
        )),
    }
}

/// Opens a socket that hears of it when the other machine falls silent, also while PostgreSQL owes
/// an answer that may take long: one that is there answers the probes whatever PostgreSQL does.
async fn open_socket(host: &str, port: u16) -> io::Result<TcpStream> {
    let socket = TcpStream::connect((host, port)).await?;
    socket.set_nodelay(true)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    sockopt::set_tcp_keepidle(&socket, PROBED_AFTER)?;
    sockopt::set_tcp_keepintvl(&socket, PROBED_EVERY)?;
    sockopt::set_tcp_keepcnt(&socket, PROBES)?;
    // The probes stand back while bytes are on their way; those have the same time.
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(&socket, GONE_AFTER_MS)?;
    Ok(socket)
}

async fn authenticate(
    wire: &mut Wire,
    login: &Login,
    encrypted: bool,
) -> Result<Backend, ConnectError> {
    let parameters = [
        ("user", login.user.as_str()),
        ("database", login.database.as_str()),
        ("application_name", "portcullis"),
        ("client_encoding", "UTF8"),
        ("default_transaction_read_only", "on"),
    ];
    frontend::startup_message(parameters, wire.outgoing())?;
    wire.flush().await?;
    let mut backend = Backend {
        process: 0,
        secret: 0,
        encrypted,
    };
    loop {
        match wire.receive().await? {
            Message::AuthenticationOk
            | Message::ParameterStatus(_)
            | Message::NoticeResponse(_) => {}
            Message::AuthenticationCleartextPassword => {
                frontend::password_message(password(login)?, wire.outgoing())?;
                wire.flush().await?;
            }
            Message::AuthenticationMd5Password(body) => {
                let hash =
                    authentication::md5_hash(login.user.as_bytes(), password(login)?, body.salt());
                frontend::password_message(hash.as_bytes(), wire.outgoing())?;
                wire.flush().await?;
            }
            Message::AuthenticationSasl(body) => {
                let mut mechanisms = body.mechanisms();
                let mut offered = false;
                while let Some(mechanism) = mechanisms.next()? {
                    offered |= mechanism == SCRAM_SHA_256;
                }
                if !offered {
                    return Err(unsupported("a SASL mechanism other than SCRAM-SHA-256"));
                }
                authenticate_by_scram(wire, password(login)?).await?;
            }
            Message::BackendKeyData(body) => {
                backend.process = body.process_id();
                backend.secret = body.secret_key();
            }
            Message::ReadyForQuery(_) => return Ok(backend),
            Message::ErrorResponse(body) => {
                let report = ServerReport::read(body.fields())?;
                return Err(ConnectError::Server(Box::new(report)));
            }
            _ => {
                return Err(unsupported(
                    "an authentication method that is not known here",
                ));
            }
        }
    }
}

async fn authenticate_by_scram(wire: &mut Wire, password: &[u8]) -> Result<(), ConnectError> {
    let mut scram = ScramSha256::new(password, ChannelBinding::unsupported());
    frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), wire.outgoing())?;
    wire.flush().await?;
    loop {
        match wire.receive().await? {
            Message::AuthenticationSaslContinue(body) => {
                scram.update(body.data())?;
                frontend::sasl_response(scram.message(), wire.outgoing())?;
                wire.flush().await?;
            }
            Message::AuthenticationSaslFinal(body) => return Ok(scram.finish(body.data())?),
            Message::ErrorResponse(body) => {
                let report = ServerReport::read(body.fields())?;
                return Err(ConnectError::Server(Box::new(report)));
            }
            _ => return Err(unsupported("an unexpected step of SCRAM")),
        }
    }
}

fn password(login: &Login) -> Result<&[u8], ConnectError> {
    match &login.password {
        Some(password) => Ok(password.expose().as_bytes()),
        None => Err(ConnectError::Unsupported(
            "it asks for a password and POSTGRES_PASSWORD is not set".to_owned(),
        )),
    }
}

fn unsupported(what: &str) -> ConnectError {
    ConnectError::Unsupported(format!("it asks for {what}"))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn it_hears_of_a_machine_that_falls_silent_within_a_minute() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let socket = open_socket("127.0.0.1", port).await.expect("it listens");
        assert_eq!(sockopt::socket_keepalive(&socket), Ok(true));
        let idle = sockopt::tcp_keepidle(&socket).expect("it is set");
        let interval = sockopt::tcp_keepintvl(&socket).expect("it is set");
        let probes = sockopt::tcp_keepcnt(&socket).expect("it is set");
        assert_eq!(idle + interval * probes, Duration::from_secs(60));
        #[cfg(target_os = "linux")]
        assert_eq!(sockopt::tcp_user_timeout(&socket), Ok(60_000));
    }
}
