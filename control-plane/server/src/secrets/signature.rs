//! Whether the key of one certificate has signed another one.

use tokio_rustls::rustls::crypto::ring;
use webpki::{EndEntityCert, Error};

/// Whether the key of a certificate has signed this one; also where the way in which that is signed
/// is not known here.
pub(super) fn may_be_signed_by(signed: &[u8], signer: &EndEntityCert<'_>) -> bool {
    let Some(signed) = Signed::read(signed) else {
        return true;
    };
    let known = ring::default_provider().signature_verification_algorithms;
    let ways = known.all.iter();
    // Some are the same but for the kind of the key.
    let ways = ways.filter(|way| way.signature_alg_id().as_ref() == signed.algorithm);
    let outcomes: Vec<_> = ways
        .map(|way| signer.verify_signature(*way, signed.message, signed.signature))
        .collect();
    outcomes.contains(&Ok(())) || !outcomes.contains(&Err(Error::InvalidSignatureForPublicKey))
}

/// The three parts of a certificate (RFC 5280, 4.1.1).
struct Signed<'a> {
    message: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    fn read(certificate: &'a [u8]) -> Option<Self> {
        let parts = Element::first_of(certificate)?.content;
        let message = Element::first_of(parts)?;
        let algorithm = Element::first_of(message.rest)?;
        let signature = Element::first_of(algorithm.rest)?;
        Some(Self {
            message: message.whole,
            algorithm: algorithm.content,
            // It is a row of bits, none of which is left over.
            signature: signature.content.strip_prefix(&[0])?,
        })
    }
}

/// An element in DER (X.690, 8.1).
struct Element<'a> {
    whole: &'a [u8],
    content: &'a [u8],
    /// The bytes behind it.
    rest: &'a [u8],
}

impl<'a> Element<'a> {
    fn first_of(bytes: &'a [u8]) -> Option<Self> {
        let (head, behind) = bytes.split_at_checked(2)?;
        let (length, behind) = match *head.last()? {
            length @ ..0x80 => (usize::from(length), behind),
            // The length is a number of so many bytes.
            form => {
                let (number, behind) = behind.split_at_checked(usize::from(form & 0x7f))?;
                let number = number.iter().try_fold(0_usize, |number, byte| {
                    number.checked_mul(256)?.checked_add(usize::from(*byte))
                });
                (number?, behind)
            }
        };
        let (content, rest) = behind.split_at_checked(length)?;
        let (whole, _) = bytes.split_at_checked(bytes.len() - rest.len())?;
        Some(Self {
            whole,
            content,
            rest,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, Issuer, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
    use tokio_rustls::rustls::pki_types::CertificateDer;

    use super::*;

    #[test]
    fn it_tells_a_signature_by_each_kind_of_key_from_that_of_another_one() {
        for kind in [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &PKCS_ECDSA_P384_SHA384,
            &PKCS_ED25519,
        ] {
            let made = |key: &KeyPair| {
                let params = CertificateParams::new(vec!["a.internal".to_owned()]).unwrap();
                params.self_signed(key).unwrap().der().clone()
            };
            let key = KeyPair::generate_for(kind).unwrap();
            let (signer, other) = (made(&key), made(&KeyPair::generate_for(kind).unwrap()));
            let params = CertificateParams::new(vec!["b.internal".to_owned()]).unwrap();
            let issuer = Issuer::new(CertificateParams::default(), key);
            let own = KeyPair::generate().unwrap();
            let signed = params.signed_by(&own, &issuer).unwrap().der().clone();
            let by = |signer: &CertificateDer<'_>| {
                let signer = EndEntityCert::try_from(signer).unwrap();
                may_be_signed_by(&signed, &signer)
            };
            assert!(by(&signer), "{kind:?}");
            assert!(!by(&other), "{kind:?}");
        }
    }

    proptest! {
        #[test]
        fn it_reads_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Signed::read(&bytes);
        }
    }
}
