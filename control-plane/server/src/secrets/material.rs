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
    if is_in_order {
        Ok(())
    } else {
        Err(Unusable::Disordered)
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
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ED25519,
        date_time_ymd, generate_simple_self_signed,
    };

    use super::*;

    fn own() -> (Vec<u8>, Vec<u8>) {
        let own = generate_simple_self_signed(["a.internal".to_owned()]).unwrap();
        let key = own.signing_key.serialize_pem();
        (own.cert.pem().into_bytes(), key.into_bytes())
    }

    #[test]
    fn it_takes_a_certificate_with_its_own_key_alone() {
        let ((chain, key), (other, _)) = (own(), own());
        let check =
            |chain: &[u8], key: &[u8]| Material::certificate(chain, key.to_vec()).map(|_| ());
        assert_eq!(check(&chain, &key), Ok(()));
        assert_eq!(check(&other, &key), Err(Unusable::OtherCertificate));
        assert_eq!(check(&chain, &chain), Err(Unusable::NoKey));
        assert_eq!(check(b"", &key), Err(Unusable::Empty));
        assert_eq!(check(b"hello", &key), Err(Unusable::NoCertificate));
        let cut = &chain[..chain.len() / 2];
        assert!(check(cut, &key).is_err());
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(check(broken, &key), Err(Unusable::BadCertificate));
        let edwards = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let params = CertificateParams::new(["a.internal".to_owned()]).unwrap();
        let by_edwards = params.self_signed(&edwards).unwrap().pem();
        let key = edwards.serialize_pem();
        assert_eq!(
            check(by_edwards.as_bytes(), key.as_bytes()),
            Err(Unusable::OtherKey)
        );
    }

    /// An authority, and a certificate that it signed with the key of that, valid within years.
    fn signed(from: i32, until: i32) -> (String, String, String) {
        signed_by((2000, 4000), (from, until))
    }

    /// The same, with the years of the authority before those of the certificate.
    fn signed_by(authoritys_time: (i32, i32), own_time: (i32, i32)) -> (String, String, String) {
        let (authoritys, own) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut of_authority = CertificateParams::new(Vec::new()).unwrap();
        of_authority.not_before = date_time_ymd(authoritys_time.0, 1, 1);
        of_authority.not_after = date_time_ymd(authoritys_time.1, 1, 1);
        of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        of_authority
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        let authority = of_authority.self_signed(&authoritys).unwrap();
        let issuer = Issuer::new(of_authority, authoritys);
        let mut params = CertificateParams::new(["a.internal".to_owned()]).unwrap();
        params.not_before = date_time_ymd(own_time.0, 1, 1);
        params.not_after = date_time_ymd(own_time.1, 1, 1);
        let certificate = params.signed_by(&own, &issuer).unwrap();
        (authority.pem(), certificate.pem(), own.serialize_pem())
    }

    #[test]
    fn it_takes_a_chain_in_its_order_and_in_its_time() {
        let check = |chain: &str, key: &str| {
            let material = Material::certificate(chain.as_bytes(), key.into());
            material.map(|_| ())
        };
        let (authority, own, key) = signed(2000, 4000);
        let stranger = self::own();
        let stranger = String::from_utf8(stranger.0).unwrap();
        assert_eq!(check(&own, &key), Ok(()));
        assert_eq!(check(&format!("{own}{authority}"), &key), Ok(()));
        assert_eq!(
            check(&format!("{authority}{own}"), &key),
            Err(Unusable::OtherCertificate)
        );
        for disordered in [
            format!("{own}{stranger}"),
            format!("{own}{own}"),
            format!("{own}{stranger}{authority}"),
        ] {
            assert_eq!(check(&disordered, &key), Err(Unusable::Disordered));
        }
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let with_broken = format!("{own}{broken}");
        assert_eq!(check(&with_broken, &key), Err(Unusable::BadCertificate));
        let (_, old, key) = signed(2000, 2001);
        assert_eq!(check(&old, &key), Err(Unusable::Expired));
        let (_, early, key) = signed(3999, 4000);
        assert_eq!(check(&early, &key), Err(Unusable::NotYet));
    }

    #[test]
    fn it_names_a_certificate_out_of_its_time_after_a_valid_one_and_takes_them() {
        for authoritys_time in [(2000, 2001), (3999, 4000)] {
            let (authority, own, key) = signed_by(authoritys_time, (2000, 4000));
            let chain = format!("{own}{authority}");
            let material = Material::certificate(chain.as_bytes(), key.into());
            assert!(material.is_ok(), "{material:?}");
            assert_eq!(out_of_time_after_the_first(chain.as_bytes()), [2]);
        }
        let (authority, own, _) = signed(2000, 4000);
        let chain = format!("{own}{authority}");
        assert!(out_of_time_after_the_first(chain.as_bytes()).is_empty());
    }

    #[test]
    fn it_gives_envoys_no_key_as_a_part_of_a_certificate() {
        let (authority, own, key) = signed(2000, 4000);
        let combined = format!("a comment\n{own}{key}{authority}");
        let material = Material::certificate(combined.as_bytes(), combined.clone().into());
        let Ok(Material::Certificate { chain, .. }) = material else {
            panic!("{material:?}");
        };
        let chain = String::from_utf8(chain).unwrap();
        assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
        assert!(!chain.contains("PRIVATE") && !chain.contains("comment"));
    }

    #[test]
    fn it_takes_authorities_without_a_key_among_them() {
        let (chain, key) = own();
        let check = |bytes: &[u8]| Material::authorities(bytes.to_vec()).map(|_| ());
        assert_eq!(check(&chain), Ok(()));
        assert_eq!(check(&[chain, key].concat()), Err(Unusable::PrivateKey));
        assert_eq!(check(b"hello"), Err(Unusable::NoCertificate));
    }

    #[test]
    fn it_takes_a_credential_that_a_header_can_carry() {
        for good in ["a", "a\n", "a\r\n"] {
            let credential = Material::credential(good.as_bytes());
            assert_eq!(credential, Ok(Material::Credential("a".to_owned())));
        }
        let long = "x".repeat(MOST_CREDENTIAL_BYTES + 1);
        for (bad, reason) in [
            (&b""[..], Unusable::Empty),
            (b"\n", Unusable::Empty),
            (b"a\nb", Unusable::NoHeaderValue),
            (b"a\n\n", Unusable::NoHeaderValue),
            (b" a", Unusable::NoHeaderValue),
            (b"\xff", Unusable::NoHeaderValue),
            ("é".as_bytes(), Unusable::NoHeaderValue),
            (long.as_bytes(), Unusable::LongCredential),
        ] {
            assert_eq!(Material::credential(bad), Err(reason));
        }
    }

    #[test]
    fn it_shows_nothing_of_itself_in_a_log() {
        let (chain, key) = own();
        for material in [
            Material::credential(b"swordfish").unwrap(),
            Material::certificate(&chain, key).unwrap(),
            Material::authorities(chain).unwrap(),
        ] {
            assert!(format!("{material:?}").ends_with("(…)"), "{material:?}");
        }
    }
}
