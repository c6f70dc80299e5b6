//! The content of secrets, and what makes it usable.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, InconsistentKeys, RootCertStore, SignatureAlgorithm};
use webpki::{EndEntityCert, KeyUsage};

use super::signature::may_be_signed_by;

/// The content of a secret, checked: Envoys can use it.
#[derive(Clone, PartialEq, Eq)]
pub enum Material {
    /// A text that goes into a header.
    Credential(String),
    /// A certificate and its private key, in PEM.
    Certificate {
        /// The certificate, and those between it and its authority.
        chain: Vec<u8>,
        /// The private key of the first.
        key: Vec<u8>,
    },
    /// The certificates of authorities.
    Authorities(Authorities),
}

/// The certificates of authorities that are believed.
#[derive(Clone)]
pub struct Authorities {
    /// As Envoys are given them, in PEM.
    pub(super) pem: Vec<u8>,
    /// As the control plane believes them.
    store: Arc<RootCertStore>,
}

impl PartialEq for Authorities {
    fn eq(&self, other: &Self) -> bool {
        self.pem == other.pem
    }
}

impl Eq for Authorities {}

impl Authorities {
    /// Checks certificates of authorities.
    ///
    /// # Errors
    /// When one of them cannot be believed, or there is none.
    pub(crate) fn new(pem: Vec<u8>) -> Result<Self, Unusable> {
        let store = Arc::new(believed(&pem)?);
        Ok(Self { pem, store })
    }

    /// These authorities, as TLS believes them.
    pub(crate) fn store(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.store)
    }
}

/// Says which kind it is and nothing of what it says.
impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credential(_) => "Credential(…)",
            Self::Certificate { .. } => "Certificate(…)",
            Self::Authorities(_) => "Authorities(…)",
        })
    }
}

/// Why a content cannot be used. No reason repeats a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unusable {
    /// It has no byte, or nothing but a line end.
    #[error("it is empty")]
    Empty,
    /// A header cannot carry it.
    #[error("it has other characters than a header can carry; write one line of visible ASCII")]
    NoHeaderValue,
    /// A header with it would be refused by many servers.
    #[error("it is longer than {MOST_CREDENTIAL_BYTES} bytes, which few servers take in a header")]
    LongCredential,
    /// It is not written as it has to be.
    #[error("it is not PEM, or a block in it is damaged")]
    NoPem,
    /// There is a text in PEM, and no certificate in it.
    #[error("it holds no certificate")]
    NoCertificate,
    /// One of its certificates is not one that can be believed.
    #[error("one of its certificates cannot be read")]
    BadCertificate,
    /// Nobody could follow them to an authority.
    #[error(
        "its certificates are not in order: write its own first, and after each the one of whoever \
         signed it"
    )]
    Disordered,
    /// A certificate names its signer, and another one of that name has signed it.
    #[error(
        "one of its certificates is not signed by the one after it, which only has the name of the \
         one that did: write that one"
    )]
    OtherSigner,
    /// Its time is over.
    #[error("its certificate is valid no longer; renew it")]
    Expired,
    /// Its time has not begun.
    #[error("its certificate is not valid yet; look at the clock of the machine")]
    NotYet,
    /// It was meant to be shown to everyone.
    #[error("it holds a private key, which does not belong there; take the key for known")]
    PrivateKey,
    /// There is no private key.
    #[error("it holds no private key, or one that is encrypted")]
    NoKey,
    /// The key is of a kind that Envoy does not take.
    #[error(
        "Envoy takes no key of its kind; write an RSA key of 2048 bits or more, or P-256 or P-384"
    )]
    OtherKey,
    /// The two do not belong together.
    #[error("the key is not that of the certificate; replace both, or wait until both are there")]
    OtherCertificate,
}

/// Servers commonly take 8 KiB of headers, of which a credential may be most; tokens of identity
/// providers have one or two.
const MOST_CREDENTIAL_BYTES: usize = 7 << 10;

impl Material {
    /// Checks a credential. A line end after it does not count: editors and `echo` write one.
    ///
    /// # Errors
    /// When a header cannot carry it.
    pub fn credential(bytes: &[u8]) -> Result<Self, Unusable> {
        let text = std::str::from_utf8(bytes).map_err(|_| Unusable::NoHeaderValue)?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(Unusable::Empty);
        }
        if text.len() > MOST_CREDENTIAL_BYTES {
            return Err(Unusable::LongCredential);
        }
        let is_padded = text.starts_with(' ') || text.ends_with(' ');
        if is_padded || !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(Unusable::NoHeaderValue);
        }
        Ok(Self::Credential(text.to_owned()))
    }

    /// Checks a certificate, its key, and that they belong together.
    ///
    /// # Errors
    /// When Envoy could not show it.
    pub fn certificate(chain: &[u8], key: Vec<u8>) -> Result<Self, Unusable> {
        let chain = certified(chain, &key)?.cert;
        check_chain(&chain, UnixTime::now())?;
        // The file may hold the key as well, and Envoy shows certificates to whoever asks it.
        let chain = as_pem(&chain).into_bytes();
        Ok(Self::Certificate { chain, key })
    }

    /// Checks certificates of authorities.
    ///
    /// # Errors
    /// When one of them cannot be believed, or there is none.
    pub fn authorities(bytes: Vec<u8>) -> Result<Self, Unusable> {
        Authorities::new(bytes).map(Self::Authorities)
    }
}

/// The certificates in a text; never none.
fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    if bytes.is_empty() {
        return Err(Unusable::Empty);
    }
    let all: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(bytes).collect();
    let all = all.map_err(|_| Unusable::NoPem)?;
    if all.is_empty() {
        return Err(Unusable::NoCertificate);
    }
    Ok(all)
}

/// Certificates in PEM (RFC 7468), and nothing besides.
pub(super) fn as_pem(certificates: &[CertificateDer<'_>]) -> String {
    const COLUMNS: usize = 64;
    let mut text = String::new();
    for certificate in certificates {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = STANDARD.encode(certificate);
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(COLUMNS.min(rest.len()));
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

/// Checks that the first certificate is valid at a time, and each signed by the one after it. The
/// time of the others is no reason to refuse them: whoever is shown them may know another way to an
/// authority, and needs none of them where it believes an earlier one.
fn check_chain(chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Unusable> {
    let read = chain.iter().map(EndEntityCert::try_from);
    let read: Result<Vec<_>, _> = read.collect();
    let read = read.map_err(|_| Unusable::BadCertificate)?;
    if let Some(own) = read.first() {
        check_time(own, now)?;
    }
    let mut pairs = read.windows(2);
    let is_in_order = pairs.all(|pair| match pair {
        [signed, signer] => signed.issuer() == signer.subject(),
        _ => true,
    });
    if !is_in_order {
        return Err(Unusable::Disordered);
    }
    let mut pairs = chain.iter().zip(read.iter().skip(1));
    if pairs.all(|(signed, signer)| may_be_signed_by(signed, signer)) {
        Ok(())
    } else {
        Err(Unusable::OtherSigner)
    }
}

fn check_time(certificate: &EndEntityCert<'_>, now: UnixTime) -> Result<(), Unusable> {
    let soon = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + MOST_AHEAD);
    // Whom it is to be believed by is for those who are shown it; its time is looked at first.
    let at = |time| {
        let usage = KeyUsage::server_auth();
        certificate.verify_for_usage(&[], &[], &[], time, usage, None, None)
    };
    if let Err(webpki::Error::CertExpired { .. }) = at(now) {
        return Err(Unusable::Expired);
    }
    if let Err(webpki::Error::CertNotValidYet { .. }) = at(soon) {
        return Err(Unusable::NotYet);
    }
    Ok(())
}

/// The places, from 1, of those certificates after the first that are out of their time.
pub(super) fn out_of_time_after_the_first(chain: &[u8]) -> Vec<usize> {
    let all = certificates(chain).unwrap_or_default();
    let now = UnixTime::now();
    let is_out = |certificate: &CertificateDer<'_>| {
        EndEntityCert::try_from(certificate).is_ok_and(|read| check_time(&read, now).is_err())
    };
    let numbered = (1..).zip(&all).skip(1);
    let out = numbered.filter(|(_, certificate)| is_out(certificate));
    out.map(|(place, _)| place).collect()
}

/// How far the clock of whoever signs may be ahead of ours: machines that keep their clocks at all
/// are seconds apart.
const MOST_AHEAD: Duration = Duration::from_secs(300);

/// A certificate with its key, as TLS uses it.
pub(crate) fn certified(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, Unusable> {
    let chain = certificates(chain)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
        PemError::NoItemsFound => Unusable::NoKey,
        _ => Unusable::NoPem,
    })?;
    let provider = ring::default_provider();
    let loaded = provider.key_provider.load_private_key(key);
    let loaded = loaded.map_err(|_| Unusable::OtherKey)?;
    if !matches!(
        loaded.algorithm(),
        SignatureAlgorithm::RSA | SignatureAlgorithm::ECDSA
    ) {
        return Err(Unusable::OtherKey);
    }
    let certified = CertifiedKey::new(chain, loaded);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(Unusable::OtherCertificate),
        Err(_) => Err(Unusable::BadCertificate),
    }
}

/// Authorities, as TLS believes them.
fn believed(bytes: &[u8]) -> Result<RootCertStore, Unusable> {
    if PrivateKeyDer::from_pem_slice(bytes).is_ok() {
        return Err(Unusable::PrivateKey);
    }
    let mut store = RootCertStore::empty();
    for certificate in certificates(bytes)? {
        store
            .add(certificate)
            .map_err(|_| Unusable::BadCertificate)?;
    }
    Ok(store)
}

#[cfg(test)]
mod tests;
