use std::sync::LazyLock;

use pgp::{
    composed::{
        ArmorOptions, EncryptionCaps, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey,
        SubkeyParamsBuilder,
    },
    crypto::hash::HashAlgorithm,
    packet::{RevocationCode, SignatureConfig, Subpacket, SubpacketData},
    types::{Duration, Password, SigningKey, Tag, Timestamp as PgpTime},
};
use rand_for_pgp::thread_rng;

use super::*;

const TEXT: &str = "Origin: Debian\nSuite: stable\n- dashed: line\nCodename: bookworm\n";
/// When keys and signatures of these tests are made: the library stamps a new key's own
/// signatures with the real clock.
pub(in crate::apt) static MADE: LazyLock<u32> =
    LazyLock::new(|| u32::try_from(crate::clock::now().as_second()).expect("before 2106"));

pub(in crate::apt) fn now() -> Timestamp {
    Timestamp::from_second(i64::from(*MADE) + 3600).unwrap()
}

fn make(kind: KeyType, signing_subkey: bool) -> SignedSecretKey {
    let mut parameters = SecretKeyParamsBuilder::default();
    parameters
        .key_type(kind.clone())
        .can_certify(true)
        .can_sign(!signing_subkey)
        .can_encrypt(EncryptionCaps::None)
        .created_at(PgpTime::from_secs(*MADE))
        .primary_user_id("Archive <archive@example.org>".to_owned());
    if signing_subkey {
        let subkey = SubkeyParamsBuilder::default()
            .key_type(kind)
            .can_sign(true)
            .created_at(PgpTime::from_secs(*MADE))
            .build()
            .unwrap();
        parameters.subkey(subkey);
    }
    parameters.build().unwrap().generate(thread_rng()).unwrap()
}

pub(in crate::apt) fn key() -> SignedSecretKey {
    make(KeyType::Ed25519Legacy, false)
}

pub(in crate::apt) fn config(
    key: &impl SigningKey,
    kind: SignatureType,
    made: u32,
    extra: Vec<SubpacketData>,
) -> SignatureConfig {
    let mut config = SignatureConfig::from_key(thread_rng(), key, kind).unwrap();
    let mut packets = vec![
        SubpacketData::SignatureCreationTime(PgpTime::from_secs(made)),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
    ];
    packets.extend(extra);
    config.hashed_subpackets = packets.into_iter().map(|p| Subpacket::regular(p).unwrap()).collect();
    config
}

fn clearsign(key: &impl SigningKey, config: SignatureConfig) -> String {
    let message = CleartextSignedMessage::new(TEXT, config, key, &Password::empty()).unwrap();
    message.to_armored_string(ArmorOptions::default()).unwrap()
}

fn signed_by(key: &impl SigningKey) -> String {
    clearsign(key, config(key, SignatureType::Text, *MADE, Vec::new()))
}

pub(in crate::apt) fn ring(keys: &[&SignedSecretKey]) -> Keyring {
    Keyring {
        keys: keys.iter().map(|key| SignedPublicKey::from((*key).clone())).collect(),
        ..Keyring::default()
    }
}

/// The key's user id certified again, with what the new self-signature says.
fn certified_again(
    key: &SignedSecretKey,
    made: u32,
    extra: Vec<SubpacketData>,
    hash: Option<HashAlgorithm>,
) -> Keyring {
    let mut ring = ring(&[key]);
    let user = &mut ring.keys[0].details.users[0];
    let mut config = config(&key.primary_key, SignatureType::CertPositive, made, extra);
    if let Some(hash) = hash {
        config.hash_alg = hash;
        user.signatures.clear();
        ring.keys[0].details.direct_signatures.clear();
    }
    let public = SignedPublicKey::from(key.clone()).primary_key;
    let user = &mut ring.keys[0].details.users[0];
    let signature = config
        .sign_certification(&key.primary_key, &public, &Password::empty(), Tag::UserId, &user.id)
        .unwrap();
    user.signatures.push(signature);
    ring
}

fn refused(text: &str, keyring: &Keyring) -> String {
    signed_text(text.as_bytes(), keyring, now()).unwrap_err()
}

#[test]
fn a_good_signature_gives_exactly_the_signed_text() {
    let key = key();
    let text = signed_text(signed_by(&key.primary_key).as_bytes(), &ring(&[&key]), now()).unwrap();
    assert_eq!(text.trim_end(), TEXT.trim_end());
    let rsa = make(KeyType::Rsa(2048), false);
    assert!(signed_text(signed_by(&rsa.primary_key).as_bytes(), &ring(&[&key, &rsa]), now()).is_ok());
}

#[test]
fn a_signing_subkey_counts() {
    let key = make(KeyType::Ed25519Legacy, true);
    let text = signed_by(&key.secret_subkeys[0].key);
    assert!(signed_text(text.as_bytes(), &ring(&[&key]), now()).is_ok());
    // Its primary key is flagged as certifying alone.
    assert!(refused(&signed_by(&key.primary_key), &ring(&[&key])).contains("may not sign"));
}

#[test]
fn a_subkey_that_does_not_consent_or_is_revoked_does_not_count() {
    let key = make(KeyType::Ed25519Legacy, true);
    let text = signed_by(&key.secret_subkeys[0].key);
    let public = ring(&[&key]).keys.remove(0);
    let bind = |kind, extra| {
        config(&key.primary_key, kind, *MADE + 60, extra)
            .sign_subkey_binding(
                &key.primary_key,
                &public.primary_key,
                &Password::empty(),
                &public.public_subkeys[0].key,
            )
            .unwrap()
    };
    let mut flags = pgp::packet::KeyFlags::default();
    flags.set_sign(true);
    let mut bare = ring(&[&key]);
    bare.keys[0].public_subkeys[0].signatures =
        vec![bind(SignatureType::SubkeyBinding, vec![SubpacketData::KeyFlags(flags)])];
    assert!(refused(&text, &bare).contains("not bound back"));
    let mut revoked = ring(&[&key]);
    revoked.keys[0].public_subkeys[0].signatures.push(bind(SignatureType::SubkeyRevocation, Vec::new()));
    assert!(refused(&text, &revoked).contains("is revoked"));
    let mut expired = ring(&[&key]);
    let after = SubpacketData::KeyExpirationTime(Duration::from_secs(100));
    expired.keys[0].public_subkeys[0].signatures.push(bind(SignatureType::SubkeyBinding, vec![after]));
    assert!(refused(&text, &expired).contains("expired"));
}

#[test]
fn foreign_keys_and_tampered_text_are_refused() {
    let (key, foreign) = (key(), key());
    let text = signed_by(&key.primary_key);
    assert!(refused(&text, &ring(&[&foreign])).contains("in no keyring"));
    assert!(refused(&text, &Keyring::default()).contains("in no keyring"));
    assert!(refused(&text.replace("bookworm", "bookwurm"), &ring(&[&key])).contains("is wrong"));
    // A signature of the foreign key that names the known key as its issuer.
    let mut forged = config(&foreign.primary_key, SignatureType::Text, *MADE, Vec::new());
    forged.hashed_subpackets[1] =
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.primary_key.fingerprint())).unwrap();
    assert!(refused(&clearsign(&foreign.primary_key, forged), &ring(&[&key])).contains("is wrong"));
}

#[test]
fn what_stands_outside_the_signed_block_is_refused() {
    let key = key();
    let (text, ring) = (signed_by(&key.primary_key), ring(&[&key]));
    assert!(signed_text(format!("\n{text}\n\n").as_bytes(), &ring, now()).is_ok());
    for bad in [
        format!("Codename: bookworm\n{text}"),
        format!("{text}\nSHA256:\n"),
        format!("{text}{text}"),
        text.replace(SIGNATURE, &format!("-----BEGIN PGP MESSAGE-----\n{SIGNATURE}")),
        text.replace(END, &format!("{END}\nmore\n{END}")),
        TEXT.to_owned(),
        String::new(),
    ] {
        refused(&bad, &ring);
    }
}

#[test]
fn expired_keys_and_signatures_are_refused() {
    let key = key();
    let text = signed_by(&key.primary_key);
    let after = |seconds| SubpacketData::KeyExpirationTime(Duration::from_secs(seconds));
    let short = certified_again(&key, *MADE + 10, vec![after(100)], None);
    assert!(refused(&text, &short).contains("expired"));
    let long = certified_again(&key, *MADE + 10, vec![after(100_000)], None);
    assert!(signed_text(text.as_bytes(), &long, now()).is_ok());
    let out = SubpacketData::SignatureExpirationTime(Duration::from_secs(60));
    let text = clearsign(&key.primary_key, config(&key.primary_key, SignatureType::Text, *MADE, vec![out]));
    assert!(refused(&text, &ring(&[&key])).contains("out of date"));
    let early = clearsign(
        &key.primary_key,
        config(&key.primary_key, SignatureType::Text, *MADE + 200_000, Vec::new()),
    );
    assert!(refused(&early, &ring(&[&key])).contains("out of date"));
}

#[test]
fn revoked_keys_are_refused() {
    let key = key();
    let text = signed_by(&key.primary_key);
    let mut ring = ring(&[&key]);
    let reason = SubpacketData::RevocationReason(RevocationCode::KeyCompromised, Vec::new().into());
    let revocation = config(&key.primary_key, SignatureType::KeyRevocation, *MADE + 60, vec![reason])
        .sign_key(&key.primary_key, &Password::empty(), &ring.keys[0].primary_key)
        .unwrap();
    ring.keys[0].details.revocation_signatures.push(revocation);
    assert!(refused(&text, &ring).contains("is revoked"));
}

#[test]
fn weak_hashes_and_short_keys_are_refused() {
    let key = make(KeyType::Rsa(2048), false);
    for hash in [HashAlgorithm::Sha1, HashAlgorithm::Md5, HashAlgorithm::Sha224] {
        let mut weak = config(&key.primary_key, SignatureType::Text, *MADE, Vec::new());
        weak.hash_alg = hash;
        let Ok(message) = CleartextSignedMessage::new(TEXT, weak, &key.primary_key, &Password::empty())
        else {
            continue; // The library makes no such signature at all.
        };
        let text = message.to_armored_string(ArmorOptions::default()).unwrap();
        assert!(refused(&text, &ring(&[&key])).contains("weak hash"), "{hash}");
    }
    let bound_weakly = certified_again(&key, *MADE, Vec::new(), Some(HashAlgorithm::Sha1));
    assert!(refused(&signed_by(&key.primary_key), &bound_weakly).contains("no valid self-signature"));
    let short = pgp::types::PublicParams::try_from_reader(
        pgp::crypto::public_key::PublicKeyAlgorithm::RSA,
        None,
        // Two MPIs: a modulus of 1024 bits and 65537.
        [&[4, 0][..], &[0xff; 128], &[0, 17, 1, 0, 1]].concat().as_slice(),
    );
    assert!(keyring::strong_enough(&short.unwrap()).unwrap_err().contains("1024 bits"));
}

#[test]
fn fingerprints_say_which_keys_count() {
    let print = |key: &dyn Fn() -> pgp::types::Fingerprint| hex::encode_upper(key().as_bytes());
    let (plain, subkeyed) = (key(), make(KeyType::Ed25519Legacy, true));
    let of_plain = print(&|| plain.primary_key.fingerprint());
    let of_primary = print(&|| subkeyed.primary_key.fingerprint());
    let of_subkey = print(&|| subkeyed.secret_subkeys[0].key.fingerprint());
    let by_plain = signed_by(&plain.primary_key);
    let by_subkey = signed_by(&subkeyed.secret_subkeys[0].key);
    let verified = |text: &str, prints: &[String]| {
        signed_text(text.as_bytes(), &ring(&[&plain, &subkeyed]).limited(prints), now())
    };
    assert!(verified(&by_plain, std::slice::from_ref(&of_plain)).is_ok());
    assert!(verified(&by_plain, &[of_plain.to_lowercase()]).is_ok());
    assert!(verified(&by_plain, &[format!("{of_plain}!"), of_primary.clone()]).is_ok());
    assert!(verified(&by_subkey, std::slice::from_ref(&of_primary)).is_ok(), "a key speaks for its subkeys");
    assert!(verified(&by_subkey, std::slice::from_ref(&of_subkey)).is_ok());
    assert!(verified(&by_subkey, &[format!("{of_primary}!")]).is_err(), "itself alone");
    for prints in [vec![of_primary], vec![of_subkey], vec!["0".repeat(40)], Vec::new()] {
        let refused = verified(&by_plain, &prints).unwrap_err();
        assert!(refused.contains("none of those that the image's source names"), "{refused}");
    }
}

#[test]
fn keyrings_are_read_from_files() {
    use pgp::ser::Serialize;
    let (key, folder) = (SignedPublicKey::from(key()), tempfile::tempdir().unwrap());
    let (binary, armored) = (folder.path().join("a.gpg"), folder.path().join("b.asc"));
    std::fs::write(&binary, key.to_bytes().unwrap()).unwrap();
    std::fs::write(&armored, key.to_armored_bytes(ArmorOptions::default()).unwrap()).unwrap();
    assert_eq!(Keyring::load(&[binary, armored]).unwrap().keys.len(), 2);
    let broken = folder.path().join("c.gpg");
    std::fs::write(&broken, "no keyring").unwrap();
    assert_eq!(Keyring::load(&[broken]).unwrap_err().code(), "package-malformed");
    assert_eq!(Keyring::load(&[folder.path().join("absent")]).unwrap_err().code(), "remediation-io");
}
