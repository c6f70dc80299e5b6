//! A connection is encrypted as POSTGRES_SSLMODE says, or not made at all.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::database::{Database, PASSWORD};
use crate::server::Server;

/// The servers of these tests answer this to whoever has got through to them.
const REACHED: &[u8] = b"SFATAL\0VFATAL\0CXX000\0Mreached\0\0";

/// A server that offers no TLS, and counts what it is sent after having said so.
async fn plain_postgresql() -> (u16, tokio::sync::mpsc::UnboundedReceiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 8];
            let _ = socket.read_exact(&mut request).await;
            let _ = socket.write_all(b"N").await;
            let mut startup = [0; 4096];
            let length = socket.read(&mut startup).await.unwrap_or(0);
            let _ = sender.send(length);
            let _ = socket.write_all(&refusal()).await;
        }
    });
    (port, receiver)
}

fn refusal() -> Vec<u8> {
    let length = u32::try_from(REACHED.len() + 4).expect("it is short");
    [&b"E"[..], &length.to_be_bytes(), REACHED].concat()
}

/// A server with a certificate of the authority for this name, and how often somebody has asked it
/// to be let in.
async fn encrypted_postgresql(
    authority: &CertifiedIssuer<'_, KeyPair>,
    name: &str,
) -> (u16, Arc<AtomicUsize>) {
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec![name.to_owned()])
        .and_then(|parameters| parameters.signed_by(&key, authority))
        .expect("a certificate");
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("the key fits");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let reached = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reached);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 8];
            let _ = socket.read_exact(&mut request).await;
            let _ = socket.write_all(b"S").await;
            let Ok(mut encrypted) = acceptor.accept(socket).await else {
                continue;
            };
            let mut startup = [0; 4096];
            if matches!(encrypted.read(&mut startup).await, Ok(1..)) {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            let _ = encrypted.write_all(&refusal()).await;
            let _ = encrypted.flush().await;
        }
    });
    (port, reached)
}

/// An authority, and the file that makes it trusted.
fn authority() -> (CertifiedIssuer<'static, KeyPair>, tempfile::NamedTempFile) {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(parameters, key).expect("an authority");
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(authority.pem().as_bytes())
        .expect("it is written");
    (authority, file)
}

async fn answer_of(port: u16, flags: &[&str]) -> String {
    let server = Server::at(port, "postgres", flags).await;
    let answer = server.client().query("SELECT 1", json!([])).await;
    answer.failure().1.to_owned()
}

#[tokio::test]
async fn it_sends_nothing_in_clear_where_encryption_is_demanded() {
    for mode in ["require", "verify-ca", "verify-full"] {
        let (port, mut sent) = plain_postgresql().await;
        let message = answer_of(port, &[&format!("--postgres-sslmode={mode}")]).await;
        assert!(message.contains("offers no TLS"), "{mode}: {message}");
        assert_eq!(sent.recv().await, Some(0), "{mode}");
    }
    let (port, mut sent) = plain_postgresql().await;
    let message = answer_of(port, &["--postgres-sslmode=prefer"]).await;
    assert!(message.contains("reached"), "{message}");
    assert!(sent.recv().await.is_some_and(|length| length > 0));
}

#[tokio::test]
async fn it_trusts_a_certificate_as_far_as_the_mode_says() {
    let ((ours, file), (other, _)) = (authority(), authority());
    let root = format!("--postgres-sslrootcert={}", file.path().display());
    for (mode, authority, name, is_trusted) in [
        ("require", &ours, "127.0.0.1", true),
        ("require", &other, "127.0.0.1", false),
        ("verify-ca", &ours, "db.example.com", true),
        ("verify-ca", &other, "127.0.0.1", false),
        ("verify-full", &ours, "127.0.0.1", true),
        ("verify-full", &ours, "db.example.com", false),
        ("verify-full", &other, "127.0.0.1", false),
    ] {
        let (port, _) = encrypted_postgresql(authority, name).await;
        let mode_flag = format!("--postgres-sslmode={mode}");
        let message = answer_of(port, &[&mode_flag, &root]).await;
        assert_eq!(
            message.contains("reached"),
            is_trusted,
            "{mode} {name}: {message}"
        );
        assert_ne!(
            message.contains("no encrypted connection"),
            is_trusted,
            "{mode} {name}: {message}"
        );
    }
    let (port, _) = encrypted_postgresql(&other, "db.example.com").await;
    let message = answer_of(port, &["--postgres-sslmode=require"]).await;
    assert!(message.contains("reached"), "{message}");
}

#[tokio::test]
async fn it_reads_an_unencrypted_database_when_told_so() {
    let database = Database::with("").await;
    for mode in ["disable", "prefer"] {
        let server = Server::on(&database, &[&format!("--postgres-sslmode={mode}")]).await;
        let answer = server.client().query("SELECT 1", json!([])).await;
        assert_eq!(answer.structured()["rows"], json!([[1]]), "{mode}");
    }
}

/// Has a server look for its job registry at `port`, with these words behind the address.
async fn look_for_registry(port: u16, parameters: &str) {
    let store =
        format!("--store-url=postgres://postgres:{PASSWORD}@127.0.0.1:{port}/x?{parameters}");
    let server = Server::at(1, "postgres", &[&store]).await;
    let (_, report) = server.health().await;
    let registry = &report["services"]["job_registry"];
    assert_eq!(registry["status"], json!("down"), "{report}");
    assert!(!report.to_string().contains(PASSWORD), "{report}");
}

#[tokio::test]
async fn it_sends_a_registry_nothing_in_clear_where_its_address_demands_encryption() {
    for mode in ["require", "verify-ca", "verify-full"] {
        let (port, mut sent) = plain_postgresql().await;
        look_for_registry(port, &format!("sslmode={mode}")).await;
        assert_eq!(sent.recv().await, Some(0), "{mode}");
    }
    let (port, mut sent) = plain_postgresql().await;
    look_for_registry(port, "sslmode=prefer").await;
    assert!(sent.recv().await.is_some_and(|length| length > 0));
}

#[tokio::test]
async fn it_trusts_a_registry_as_far_as_its_address_says() {
    let ((ours, file), (other, _)) = (authority(), authority());
    let root = file.path().display();
    for (mode, authority, name, is_trusted) in [
        ("require", &other, "db.example.com", true),
        ("verify-ca", &ours, "db.example.com", true),
        ("verify-ca", &other, "127.0.0.1", false),
        ("verify-full", &ours, "127.0.0.1", true),
        ("verify-full", &ours, "db.example.com", false),
        ("verify-full", &other, "127.0.0.1", false),
    ] {
        let (port, reached) = encrypted_postgresql(authority, name).await;
        look_for_registry(port, &format!("sslmode={mode}&sslrootcert={root}")).await;
        let was_reached = reached.load(Ordering::SeqCst) > 0;
        assert_eq!(was_reached, is_trusted, "{mode} {name}");
    }
}
