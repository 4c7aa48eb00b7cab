use std::{path::Path, process::Command};

use super::*;

fn walk(folder: &Path, base: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, base, found);
        } else if path.extension().is_some_and(|e| e == "crt") {
            let name = path.strip_prefix(base).unwrap().to_string_lossy().into_owned();
            found.push((name, std::fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn the_machines_own_folder_comes_out_alike() {
    let base = Path::new("/usr/share/ca-certificates");
    let mut certs = Vec::new();
    walk(base, base, &mut certs);
    let openssl = Command::new("openssl").arg("version").output();
    if certs.is_empty() || openssl.is_err() {
        println!("skipped: the_machines_own_folder_comes_out_alike: no ca-certificates or no openssl here");
        return;
    }
    let made = bundle(&certs, &configuration(certs.iter().map(|(path, _)| path.as_str())));
    assert!(made.missing.is_empty());
    let folder = tempfile::tempdir().unwrap();
    for (name, target) in made.links.iter().filter(|(name, _)| name.ends_with(".pem")) {
        std::os::unix::fs::symlink(target, folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("ca-certificates.crt"), &made.certificates).unwrap();
    let done = Command::new("openssl").arg("rehash").arg(folder.path()).output().unwrap();
    assert!(done.status.success());
    let mut theirs = BTreeMap::new();
    for entry in std::fs::read_dir(folder.path()).unwrap().flatten() {
        if let Ok(target) = std::fs::read_link(entry.path()) {
            theirs.insert(entry.file_name().into_string().unwrap(), target.to_string_lossy().into_owned());
        }
    }
    // Which of two equal subjects is .0 and which .1 is rehash's own affair: the set counts.
    assert_eq!(made.links.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    assert_eq!(made.links.values().collect::<BTreeSet<_>>(), theirs.values().collect::<BTreeSet<_>>());
    assert!(made.links.len() > certs.len());
}

#[test]
fn the_configuration_decides() {
    let certs = [("a/A (b), c.crt".to_owned(), b"one".to_vec()), ("a/off.crt".to_owned(), b"two\n".to_vec())];
    let made = bundle(&certs, "# comment\n\na/A (b), c.crt\n!a/off.crt\na/gone.crt\n");
    assert_eq!(made.certificates, b"one\n");
    assert_eq!(
        made.links.into_iter().collect::<Vec<_>>(),
        [("A_=b=__c.pem".to_owned(), "/usr/share/ca-certificates/a/A (b), c.crt".to_owned())]
    );
    assert_eq!(made.missing, ["a/gone.crt"]);
}

#[test]
fn what_is_no_certificate_has_no_hash() {
    for bytes in
        [&b""[..], b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x80", b"\x30\x02\x30\x00", &[0x30; 64]]
    {
        assert_eq!(subject_hash(bytes), None);
    }
}
