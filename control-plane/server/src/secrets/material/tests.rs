//! Contents that can be used as secrets, and the reasons against those that cannot.

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
    let check = |chain: &[u8], key: &[u8]| Material::certificate(chain, key.to_vec()).map(|_| ());
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
    // It has the name of the authority, and another key.
    let (namesake, _, _) = signed(2000, 4000);
    let by_name = format!("{own}{namesake}");
    assert_eq!(check(&by_name, &key), Err(Unusable::OtherSigner));
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
