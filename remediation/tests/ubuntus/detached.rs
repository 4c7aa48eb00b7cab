//! Archives without InRelease: their Release is signed beside, by GnuPG itself.

use std::{fs, path::Path};

use super::{
    ground,
    ubuntus::{Key, Made, Place, address, installed, made, main, publish, serve},
};

const SECURITY: &str = "dists/jammy-security";

/// The security suite, and its Release where InRelease was; gives its text.
fn unsigned(folder: &Path, key: &Key) -> String {
    let newer: &[Made] = &[made("tool", "1.0-1ubuntu0.1")];
    let release = publish(folder, key, "jammy-security", "amd64", "main", &[("main", newer)]);
    fs::remove_file(folder.join(SECURITY).join("InRelease")).unwrap();
    put(folder, "Release", release.as_bytes());
    release
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    fs::write(folder.join(SECURITY).join(name), bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_signed_beside_is_as_good() {
    let Some((ground, key)) = ground("a_release_signed_beside_is_as_good") else { return };
    let folder = ground.path().join("archive");
    let release = unsigned(&folder, &key);
    for signature in [key.beside(&release), key.beside_bare(&release)] {
        put(&folder, "Release.gpg", &signature);
        let (served, asked) = serve(&folder).await;
        let ubuntu = Place::new(main(served), vec![key.keyring.clone()]);
        let image = ubuntu.image("amd64", &[made("tool", "1.0-1")]).await;
        let scan = ubuntu.scan(&image, &[("tool", "1.0-1ubuntu0.1")]).await;
        let fixed = ubuntu.fixed(&scan).await;
        assert_eq!(installed(&ubuntu.root(&fixed).await), ["tool 1.0-1ubuntu0.1 amd64 ii"]);
        // What the plan names is the state that was signed.
        assert_eq!(fixed.plan.repositories[0].1, super::ubuntus::hash(release.as_bytes()));
        let asked = asked.lock().unwrap();
        let signed: Vec<_> =
            asked.iter().filter_map(|path| path.strip_prefix("/dists/jammy-security/")).collect();
        assert_eq!(signed[..3], ["InRelease", "Release", "Release.gpg"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_does_not_verify_gives_nothing() {
    let Some((ground, key)) = ground("a_release_that_does_not_verify_gives_nothing") else { return };
    let other = Key::make(ground.path(), "other");
    let folder = ground.path().join("archive");
    let release = unsigned(&folder, &key);
    let ubuntu = Place::new(main(address(&folder)), vec![key.keyring.clone()]);
    let image = ubuntu.image("amd64", &[made("tool", "1.0-1")]).await;
    let scan = ubuntu.scan(&image, &[("tool", "1.0-1ubuntu0.1")]).await;
    let (code, text) = ubuntu.refused(&scan).await;
    assert_eq!(code, "repository-untrusted");
    assert!(text.contains("neither InRelease nor Release.gpg"), "{text}");
    let earlier = release.replace("Suite: jammy-security", "Suite: jammy-updates");
    let expired = release.replace("SHA256:", "Valid-Until: Sat, 01 Jun 2024 12:00:00 UTC\nSHA256:");
    for (case, release, signature, code, said) in [
        (
            "tampered",
            release.replace("Version: 22.04", "Version: 22.05"),
            key.beside(&release),
            "repository-untrusted",
            "wrong",
        ),
        ("of another", release.clone(), key.beside(&earlier), "repository-untrusted", "wrong"),
        ("by another", release.clone(), other.beside(&release), "repository-untrusted", "in no keyring"),
        (
            "another's whole",
            earlier.clone(),
            key.beside(&earlier),
            "repository-untrusted",
            "release of jammy-updates",
        ),
        ("expired", expired.clone(), key.beside(&expired), "repository-untrusted", "expired"),
        ("no signature", release.clone(), b"nothing of note".to_vec(), "repository-untrusted", "signature"),
        ("too large", release.clone(), vec![b'x'; (256 << 10) + 1], "file-unverified", "larger"),
    ] {
        put(&folder, "Release", release.as_bytes());
        put(&folder, "Release.gpg", &signature);
        let (found, text) = ubuntu.refused(&scan).await;
        assert_eq!(found, code, "{case}: {text}");
        assert!(text.contains(said), "{case}: {text}");
    }
    put(&folder, "Release", release.as_bytes());
    put(&folder, "Release.gpg", &key.beside(&release));
    assert_eq!(ubuntu.fixed(&scan).await.plan.upgrades.len(), 1, "as it should be");
}
