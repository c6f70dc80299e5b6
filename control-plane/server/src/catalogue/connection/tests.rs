//! Servers that send heads, bodies and interim answers without an end, in the clear and by TLS.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream as BlockingStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;

use rcgen::generate_simple_self_signed;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned, crypto::ring,
};

use super::paced::MOST_AT_ONCE;
use super::*;
use crate::catalogue::{ListError, with_causes};

/// The bytes after which a server without an end ends all the same: so many that nobody takes that
/// for the bound.
const NO_END: usize = 64 << 20;

/// The words of a server that never comes to the end of what it says.
#[derive(Debug, Clone, Copy)]
struct Script {
    first: &'static str,
    again: &'static str,
}

/// Serves one connection on a thread of its own, so that it sends as fast as it can; gives its URL.
fn serve(script: Script, tls: Option<Arc<ServerConfig>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let scheme = if tls.is_some() { "https" } else { "http" };
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        match tls {
            None => speak(stream, script),
            Some(config) => {
                let server = ServerConnection::new(config).unwrap();
                speak(
                    StreamOwned::<_, BlockingStream>::new(server, stream),
                    script,
                );
            }
        }
    });
    format!("{scheme}://{address}/mcp")
}

fn speak(mut stream: impl Read + Write, script: Script) {
    let request = stream.read(&mut [0; 4096]).unwrap();
    assert!(request > 0);
    let mut piece = script.first.as_bytes().to_vec();
    let mut sent = 0;
    // The client goes away in the midst of it.
    while sent < NO_END && stream.write_all(&piece).is_ok() {
        sent += piece.len();
        piece = script.again.repeat((16 << 10) / script.again.len()).into();
    }
}

/// A server's side and a client's of TLS that believe each other.
fn tls() -> (Arc<ServerConfig>, TlsWay) {
    let own = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let names = vec!["127.0.0.1".to_owned()];
    let way = TlsWay::new(Arc::new(roots), None, None, names).unwrap();
    (Arc::new(config), way)
}

/// Reads a server's whole answer; gives its length, and how many turns another task of the same
/// thread had meanwhile.
async fn ask(
    connector: Connector,
    script: Script,
    by_tls: bool,
) -> (Result<usize, ConnectionError>, usize) {
    let (config, way) = tls();
    let url = serve(script, by_tls.then_some(config));
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    let ticker = tokio::spawn(poll_fn(move |context| {
        counted.fetch_add(1, Ordering::Relaxed);
        context.waker().wake_by_ref();
        Poll::<()>::Pending
    }));
    let request = Request::post(url).body(Full::default()).unwrap();
    let way = by_tls.then_some(&way);
    let outcome = async {
        let mut answer = connector.send(way, request).await?;
        let mut read = 0;
        while let Some(chunk) = answer.chunk().await? {
            assert!(chunk.len() <= MOST_HEAD_BYTES, "{}", chunk.len());
            read += chunk.len();
        }
        Ok(read)
    };
    let outcome = outcome.await;
    ticker.abort();
    (outcome, turns.load(Ordering::Relaxed))
}

#[tokio::test]
async fn it_gives_up_a_head_without_an_end_and_lets_others_have_their_turns_meanwhile() {
    for (first, again) in [
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\n", "x: yyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n"),
        ("HTTP/1.1 200 OK\r\nx: ", "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"),
    ] {
        for by_tls in [false, true] {
            let connector = Connector::new(|_| true);
            let (outcome, turns) = ask(connector, Script { first, again }, by_tls).await;
            let error = with_causes(&ListError::at("http://s/mcp", outcome.unwrap_err()));
            let case = format!("`{again}`, TLS {by_tls}: {error}, {turns} turns");
            assert!(
                error.starts_with("`http://s/mcp` takes connections"),
                "{case}"
            );
            let head = "the head of its answer is too large: more than 256 KiB, interim answers";
            assert!(error.contains(head), "{case}");
            assert!(turns >= MOST_HEAD_BYTES / MOST_AT_ONCE, "{case}");
        }
    }
}

#[tokio::test]
async fn it_gives_up_a_body_that_has_no_end_on_the_connection() {
    // The length of a chunk that has no end: no byte of the body ever comes.
    let script = Script {
        first: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        again: "00000000",
    };
    let mut connector = Connector::new(|_| true);
    assert_eq!(connector.most_after_head, MOST_BYTES_AFTER_HEAD);
    connector.most_after_head = 1 << 20;
    let (outcome, turns) = ask(connector, script, false).await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, ConnectionError::TooLong), "{error:?}");
    assert!(turns >= (1 << 20) / MOST_AT_ONCE, "{turns}");
}
