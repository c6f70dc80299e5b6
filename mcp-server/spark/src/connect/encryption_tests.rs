//! Spark Connect over TLS, and the token that goes with each call.

use config::Secret;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tonic::transport::Identity;

use super::fake::{Ending, Fake, Item, Turn};
use super::{Connect, ConnectError, InvalidRemote, Remote, SparkUser, Statement};

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(parameters, key).expect("an authority")
}

fn identity(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> Identity {
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec![name.to_owned()])
        .and_then(|parameters| parameters.signed_by(&key, authority))
        .expect("a certificate");
    Identity::from_pem(certificate.pem(), key.serialize_pem())
}

/// Reads one row as a client that trusts this authority.
async fn read(
    remote: &str,
    token: Option<&str>,
    authority: &CertifiedIssuer<'static, KeyPair>,
) -> Result<(), ConnectError> {
    let mut remote: Remote = remote.parse().expect(remote);
    if let Some(token) = token {
        remote = remote.with_token(Secret::new(token)).expect("one token");
    }
    let connect = Connect::new(remote.trusting(authority.pem().into_bytes()));
    let connect = connect.expect("an address");
    let session = connect.open_for_writing(&SparkUser::new("test")).await?;
    let mut execution = connect.execute(&session, Statement::new("SELECT 1"));
    while execution.next().await?.is_some() {}
    Ok(())
}

#[tokio::test]
async fn it_shows_its_token_over_tls_to_a_server_that_it_trusts() {
    let (trusted, other) = (authority(), authority());
    let row = || Turn::Send(vec![Item::Rows(0, 1), Item::Complete], Ending::Quiet);
    let certificate = identity(&trusted, "127.0.0.1");
    let address = Fake::serve_encrypted(vec![row(), row()], certificate, "s3cret").await;

    let in_address = format!("sc://{address}/;use_ssl=true;token=s3cret");
    assert_eq!(read(&in_address, None, &trusted).await, Ok(()));
    let bare = format!("sc://{address}/;use_ssl=true");
    assert_eq!(read(&bare, Some("s3cret"), &trusted).await, Ok(()));

    for token in [None, Some("wrong")] {
        let refused = read(&bare, token, &trusted).await.expect_err("no token");
        let remote = format!("sc://{address}");
        assert_eq!(refused, ConnectError::Unauthenticated { remote });
    }
    let refused = read(&in_address, None, &other).await.expect_err("no trust");
    let said = refused.to_string();
    assert!(
        matches!(refused, ConnectError::Unreachable { .. }),
        "{said}"
    );
    assert!(
        said.contains("certificate") && !said.contains("s3cret"),
        "{said}"
    );
}

#[tokio::test]
async fn it_trusts_no_certificate_of_another_name() {
    let authority = authority();
    let certificate = identity(&authority, "spark.example.com");
    let address = Fake::serve_encrypted(Vec::new(), certificate, "s3cret").await;
    let remote = format!("sc://{address}/;use_ssl=true");
    let refused = read(&remote, Some("s3cret"), &authority).await;
    let said = refused.expect_err("another name").to_string();
    assert!(said.contains("certificate"), "{said}");
}

#[tokio::test]
async fn it_takes_one_token_and_sends_none_in_clear_over_the_network() {
    let remote: Remote = "sc://spark.example.com".parse().expect("an address");
    let remote = remote.with_token(Secret::new("s3cret")).expect("one token");
    let refused = Connect::new(remote.clone()).map(drop);
    assert!(
        matches!(refused, Err(InvalidRemote::TokenInClear(_))),
        "{refused:?}"
    );
    let twice = remote.with_token(Secret::new("other")).map(drop);
    assert_eq!(twice, Err(InvalidRemote::TwoTokens));
}
