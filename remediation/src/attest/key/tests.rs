use std::process::Command;

use super::*;

/// A key as openssl makes it, in PKCS#8.
fn made(arguments: &[&str]) -> String {
    let out = Command::new("openssl").arg("genpkey").args(arguments).output().expect("openssl is installed");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text")
}

const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const ED25519: &[&str] = &["-algorithm", "ED25519"];

fn reason(error: Error) -> String {
    match error {
        Error::Key { reason } => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn both_kinds_sign_the_same_twice_and_nothing_else_verifies() {
    for kind in [P256, ED25519] {
        let key = SigningKey::from_pem(&made(kind), None).expect("a key");
        let public = VerifyingKey::from_pem(&key.verifying_key().to_pem().expect("written")).expect("read");
        assert_eq!(public, key.verifying_key());
        let signature = key.sign(b"message");
        assert_eq!(signature, key.sign(b"message"), "equal messages have equal signatures");
        assert!(public.verify(b"message", &signature));
        assert!(!public.verify(b"massage", &signature));
        for at in 0..signature.len() {
            let mut tampered = signature.clone();
            tampered[at] ^= 1;
            assert!(!public.verify(b"message", &tampered), "byte {at}");
        }
        assert!(!public.verify(b"message", &[]));
        let other = SigningKey::from_pem(&made(kind), None).expect("a key");
        assert!(!other.verifying_key().verify(b"message", &signature));
    }
}

#[test]
fn openssl_verifies_what_is_signed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("written");
        path
    };
    let key = SigningKey::from_pem(&made(P256), None).expect("a key");
    let public = file("key.pub", key.verifying_key().to_pem().expect("written").as_bytes());
    let signature = file("signature", &key.sign(b"a message"));
    for (message, good) in [(&b"a message"[..], true), (b"another", false)] {
        let out = Command::new("openssl")
            .args(["dgst", "-sha256", "-verify"])
            .arg(&public)
            .arg("-signature")
            .arg(&signature)
            .arg(file("message", message))
            .output()
            .expect("openssl runs");
        assert_eq!(out.status.success(), good, "{}", String::from_utf8_lossy(&out.stdout));
    }
}

#[test]
fn what_is_no_key_is_told_what_it_is_and_never_shown() {
    let rsa = made(&["-algorithm", "RSA"]);
    let p384 = made(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]);
    for other in [&rsa, &p384] {
        let told = reason(SigningKey::from_pem(other, None).unwrap_err());
        assert_eq!(told, "it is neither ECDSA over P-256 nor Ed25519");
    }
    let public = SigningKey::from_pem(&made(P256), None).unwrap().verifying_key().to_pem().unwrap();
    assert!(reason(SigningKey::from_pem(&public, None).unwrap_err()).contains("a public key"));
    assert!(VerifyingKey::from_pem(&made(P256)).is_err());
    let sec1 = "-----BEGIN EC PRIVATE KEY-----\nhush\n-----END EC PRIVATE KEY-----\n";
    assert!(reason(SigningKey::from_pem(sec1, None).unwrap_err()).contains("openssl pkcs8 -topk8"));
    for none in ["", "hush", "-----BEGIN PRIVATE KEY-----\naHVzaA==\n-----END PRIVATE KEY-----\n"] {
        assert!(!reason(SigningKey::from_pem(none, None).unwrap_err()).contains("hush"));
    }
    assert!(reason(SigningKey::from_pem(&"x".repeat(1 << 20), None).unwrap_err()).contains("too large"));
}

/// As cosign seals a key: scrypt, secretbox, JSON, PEM.
fn sealed(der: &[u8], password: &str, n: u64) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
    use crypto_secretbox::{
        Key, Nonce, XSalsa20Poly1305,
        aead::{Aead as _, KeyInit as _},
    };
    let (salt, nonce) = ([7; 32], [9; 24]);
    let mut key = Key::default();
    let params = scrypt::Params::new(10, 8, 1, 32).expect("parameters");
    scrypt::scrypt(password.as_bytes(), &salt, &params, &mut key).expect("derived");
    let sealed = XSalsa20Poly1305::new(&key).encrypt(Nonce::from_slice(&nonce), der).expect("sealed");
    let json = serde_json::json!({
        "kdf": {"name": "scrypt", "params": {"N": n, "r": 8, "p": 1}, "salt": BASE64.encode(salt)},
        "cipher": {"name": "nacl/secretbox", "nonce": BASE64.encode(nonce)},
        "ciphertext": BASE64.encode(sealed),
    });
    let label = "ENCRYPTED SIGSTORE PRIVATE KEY";
    let text = BASE64.encode(json.to_string());
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|l| String::from_utf8_lossy(l).into_owned()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[test]
fn a_key_of_cosigns_form_is_opened_by_its_password_alone() {
    let plain = made(P256);
    let key = SigningKey::from_pem(&plain, None).unwrap();
    let body: String = plain.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, body).unwrap();
    let file = sealed(&der, "right", 1024);
    let opened = SigningKey::from_pem(&file, Some(&Secret::new("right"))).unwrap();
    assert_eq!(opened.verifying_key(), key.verifying_key());
    let wrong = reason(SigningKey::from_pem(&file, Some(&Secret::new("wrong"))).unwrap_err());
    assert_eq!(wrong, "the password is not its password");
    assert!(reason(SigningKey::from_pem(&file, None).unwrap_err()).contains("no password"));
    // A file that asks for a terabyte of memory is refused before it gets any.
    for costly in [1 << 33, 0, 1000] {
        let file = sealed(&der, "right", costly);
        let told = reason(SigningKey::from_pem(&file, Some(&Secret::new("right"))).unwrap_err());
        assert!(told.contains("cost"), "{costly}: {told}");
    }
}
