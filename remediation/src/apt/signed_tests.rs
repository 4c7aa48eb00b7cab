use std::path::Path;

use pgp::{
    composed::{ArmorOptions, DetachedSignature, SignedSecretKey},
    packet::SignatureType,
    ser::Serialize,
    types::Password,
};

use super::*;
use crate::apt::verify::tests::{MADE, config, key, now, ring};

const RELEASE: &str = "Origin: Debian\r\nSuite: stable\nCodename: bookworm\n";

pub(in crate::apt) fn signature(
    key: &SignedSecretKey,
    content: &str,
    kind: SignatureType,
) -> DetachedSignature {
    let config = config(&key.primary_key, kind, *MADE, Vec::new());
    DetachedSignature::new(config.sign(&key.primary_key, &Password::empty(), content.as_bytes()).unwrap())
}

fn armoured(signatures: &[DetachedSignature]) -> Vec<u8> {
    let armour = |one: &DetachedSignature| one.to_armored_bytes(ArmorOptions::default()).unwrap();
    signatures.iter().flat_map(armour).collect()
}

fn beside(release: &str, signature: Vec<u8>) -> Signed {
    Signed::Beside { release: release.into(), signature }
}

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join("dists/bookworm").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

async fn fetched(folder: &Path) -> Result<Signed> {
    let base = Url::from_directory_path(folder).unwrap();
    Signed::fetch(&Fetcher::new(), &base, "dists/bookworm", "bookworm").await
}

#[test]
fn a_signature_beside_counts_over_the_bytes_as_they_are() {
    let (key, foreign) = (key(), key());
    let ring = ring(&[&key]);
    let good = || signature(&key, RELEASE, SignatureType::Binary);
    let bare = good().to_bytes().unwrap();
    for signature in [armoured(&[good()]), bare] {
        let signed = beside(RELEASE, signature);
        assert_eq!(signed.text(&ring, now()).unwrap(), RELEASE.replace('\r', ""));
        assert_eq!(signed.hash(), Digest::of(RELEASE.as_bytes()).hex(), "of the text's file");
    }
    // Of two keys one is enough, as while an archive changes its key.
    let both: Vec<u8> =
        [signature(&foreign, RELEASE, SignatureType::Binary).to_bytes().unwrap(), good().to_bytes().unwrap()]
            .concat();
    assert!(beside(RELEASE, both).text(&ring, now()).is_ok());
}

#[test]
fn what_does_not_verify_is_refused() {
    let (key, foreign) = (key(), key());
    let ring = ring(&[&key]);
    let good = armoured(&[signature(&key, RELEASE, SignatureType::Binary)]);
    let other = RELEASE.replace("bookworm", "trixie");
    for (case, signed, reason) in [
        ("tampered", beside(&RELEASE.replace("bookworm", "bookwurm"), good.clone()), "is wrong"),
        ("line ends", beside(&RELEASE.replace('\r', ""), good.clone()), "is wrong"),
        ("longer", beside(&format!("{RELEASE}SHA256:\n"), good.clone()), "is wrong"),
        ("of another", beside(&other, good.clone()), "is wrong"),
        (
            "by another",
            beside(RELEASE, armoured(&[signature(&foreign, RELEASE, SignatureType::Binary)])),
            "in no keyring",
        ),
        (
            "over text",
            beside(RELEASE, armoured(&[signature(&key, RELEASE, SignatureType::Text)])),
            "not over bytes",
        ),
        ("empty", beside(RELEASE, Vec::new()), "signature"),
        ("no signature", beside(RELEASE, b"none".to_vec()), "signature"),
    ] {
        let refused = signed.text(&ring, now()).unwrap_err();
        assert!(refused.contains(reason), "{case}: {refused}");
    }
    let later = now().saturating_add(jiff::SignedDuration::from_hours(-72)).unwrap();
    assert!(beside(RELEASE, good.clone()).text(&ring, later).unwrap_err().contains("out of date"));
    let bytes = Signed::Beside { release: vec![0xff, 0xfe], signature: good };
    assert!(bytes.text(&ring, now()).is_err());
}

#[tokio::test]
async fn the_parts_are_asked_for_in_their_order_and_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Neither: what is said is what is said of InRelease, so that an archive of what has ended may be asked.
    let error = fetched(folder).await.unwrap_err();
    assert!(matches!(&error, Error::Status { file, status: 404 } if file.ends_with("/InRelease")), "{error}");
    put(folder, "Release", RELEASE);
    let error = fetched(folder).await.unwrap_err();
    assert_eq!(error.code(), "repository-untrusted");
    assert!(error.to_string().contains("not signed"), "{error}");
    put(folder, "Release.gpg", "signature");
    assert_eq!(fetched(folder).await.unwrap(), beside(RELEASE, b"signature".to_vec()));
    put(folder, "Release.gpg", vec![b'x'; MAX_SIGNATURE as usize + 1]);
    assert_eq!(fetched(folder).await.unwrap_err().code(), "file-unverified");
    put(folder, "Release.gpg", "signature");
    put(folder, "Release", vec![b'x'; MAX_RELEASE as usize + 1]);
    assert_eq!(fetched(folder).await.unwrap_err().code(), "file-unverified");
    put(folder, "InRelease", "both in one");
    assert_eq!(fetched(folder).await.unwrap(), Signed::Within(b"both in one".to_vec()));
}

#[tokio::test]
async fn only_what_is_not_there_leads_on() {
    // What is beside is not asked for where InRelease is refused or broken: a mirror does not choose how it is believed.
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    for status in [401, 403, 410] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let _ = stream.read(&mut head).await.unwrap();
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            // Nothing listens any more: another request would fail otherwise than by this answer.
        });
        let error = Signed::fetch(&Fetcher::new(), &base, "", "x").await.unwrap_err();
        assert!(matches!(&error, Error::Status { status: said, .. } if *said == status), "{error}");
        served.await.unwrap();
    }
}
