//! The gateway over TLS.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::peer::{answer, read_request};
use crate::program::{portcullis, words};

/// Answers one call over TLS, if its caller believes the certificate.
fn answer_over_tls(
    listener: TcpListener,
    certificate: &CertifiedKey<rcgen::KeyPair>,
) -> JoinHandle<()> {
    let key = PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key.into())
        .unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut raw = stream.try_clone().unwrap();
        if connection.complete_io(&mut raw).is_err() {
            return;
        }
        let mut stream = StreamOwned::new(connection, stream);
        read_request(&mut stream);
        let result =
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"x"}]}}"#;
        answer(&mut stream, "200 OK", result);
        stream.conn.send_close_notify();
        let _ = stream.conn.complete_io(&mut stream.sock);
    })
}

#[test]
fn it_calls_a_tool_over_tls_where_it_believes_the_authority() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let authorities = folder.path().join("authorities.pem");
    std::fs::write(&authorities, certificate.cert.pem()).unwrap();
    let authorities = authorities.to_str().unwrap();
    for (more, code, sentence) in [
        (["--ca-file", authorities].as_slice(), 0, ""),
        (&[], 1, "name the authority that signed it with `--ca-file`"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!(
            "https://localhost:{}/mcp",
            listener.local_addr().unwrap().port()
        );
        let serving = answer_over_tls(listener, &certificate);
        let call = ["tools", "call", "x", "--url", &url];
        let output = portcullis(folder.path(), &[&call, more].concat()).output();
        let output = output.unwrap();
        serving.join().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", words(&output));
        assert!(words(&output).contains(sentence), "{}", words(&output));
        assert_eq!(output.stdout == b"x\n", code == 0);
    }
}

#[test]
fn it_says_what_is_wrong_with_a_file_of_authorities() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authorities.pem");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, sentence) in [
        (None, "cannot read the authorities in"),
        (Some("nothing"), "has no certificate in PEM"),
        (Some(broken), "has a certificate that is none"),
    ] {
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let call = [
            "tools",
            "call",
            "x",
            "--url",
            "https://localhost:1/mcp",
            "--ca-file",
        ];
        let file = path.to_str().unwrap();
        let output = portcullis(folder.path(), &[&call[..], &[file]].concat()).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", words(&output));
        assert!(words(&output).contains(sentence), "{}", words(&output));
    }
}
