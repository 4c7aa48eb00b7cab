//! Packages and indexes of format 3, made by the apk of a real Alpine.

use std::path::Path;

use crate::{
    alpine::{Served, Spec, What},
    alpinelinux::chroot,
};

/// How one repository is made.
pub(crate) struct Kind {
    /// `deflate`, `none`: Alpine's apk has no zstd.
    pub(crate) compression: &'static str,
    /// What an index names packages by: `sha256`, `sha256-160`.
    pub(crate) hash: &'static str,
    /// A private key.
    pub(crate) key: String,
}

/// `v3.20/main` with these packages, and where it lies in the root: `/repository`.
pub(crate) fn repository(root: &Path, packages: &[Spec], kind: &Kind) -> Served {
    let folder = root.join("repository/x86_64");
    let _ = std::fs::remove_dir_all(root.join("repository"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(root.join("key.pem"), &kind.key).unwrap();
    let mut served = Served::new();
    let mut files = Vec::new();
    for spec in packages {
        let file = format!("/repository/x86_64/{}", spec.file_name());
        package(root, spec, &file, kind);
        served.insert(
            format!("v3.20/main/x86_64/{}", spec.file_name()),
            std::fs::read(root.join(&file[1..])).unwrap(),
        );
        files.push(file);
    }
    let index = "/repository/x86_64/Packages.adb";
    let mut words = vec!["/sbin/apk", "mkndx", "--quiet", "--allow-untrusted", "--output", index];
    words.extend(["--sign-key", "/key.pem", "--hash", kind.hash, "--description", "a test's"]);
    words.extend(files.iter().map(String::as_str));
    chroot(root, &words);
    served
        .insert("v3.20/main/x86_64/Packages.adb".to_owned(), std::fs::read(root.join(&index[1..])).unwrap());
    served
}

fn package(root: &Path, spec: &Spec, file: &str, kind: &Kind) {
    let work = root.join("package");
    let _ = std::fs::remove_dir_all(&work);
    std::fs::create_dir(&work).unwrap();
    for (path, what) in &spec.files {
        let to = work.join(path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        match what {
            // One file under two names.
            What::File(..) if path.ends_with("/linked") => {
                std::fs::hard_link(to.with_file_name("data"), &to).unwrap();
            }
            What::File(mode, content) => {
                use std::os::unix::fs::PermissionsExt;
                std::fs::write(&to, content).unwrap();
                std::fs::set_permissions(&to, std::fs::Permissions::from_mode(*mode)).unwrap();
            }
            What::Link(target) => std::os::unix::fs::symlink(target, &to).unwrap(),
        }
        // By name, which an image may give another number; and with what root's programs may do.
        if path.ends_with("/theirs") {
            chroot(root, &["/bin/chown", "daemon:shadow", &format!("/package/{path}")]);
        }
        if path.ends_with("/capable") {
            let value = "b'\\x01\\0\\0\\x02\\0\\x04' + bytes(14)";
            let line = format!("import os, sys; os.setxattr(sys.argv[1], 'security.capability', {value})");
            crate::layers::run(std::process::Command::new("python3").args(["-c", &line]).arg(&to));
        }
    }
    let mut words: Vec<String> = [
        "/sbin/apk",
        "mkpkg",
        "--files",
        "/package",
        "--sign-key",
        "/key.pem",
        "--compression",
        kind.compression,
    ]
    .map(str::to_owned)
    .into();
    words.extend(["--output".to_owned(), file.to_owned()]);
    for (key, value) in [
        ("name", spec.name),
        ("version", spec.version),
        ("arch", "x86_64"),
        ("origin", spec.origin),
        ("license", "MIT"),
        ("url", "https://example.test"),
        ("description", "a test's"),
        ("maintainer", "nobody <nobody@example.test>"),
        ("repo-commit", "0123456789abcdef0123456789abcdef01234567"),
        ("build-time", "1700000000"),
        ("replaces", "elsewhere<2"),
        ("replaces-priority", "3"),
        ("provider-priority", "7"),
        ("depends", spec.depends),
        ("provides", spec.provides),
    ] {
        if !value.is_empty() {
            words.extend(["--info".to_owned(), format!("{key}:{value}")]);
        }
    }
    for (name, text) in &spec.scripts {
        std::fs::write(root.join(name), text).unwrap();
        words.extend(["--script".to_owned(), format!("{name}:/{name}")]);
    }
    for folder in spec.triggers.split_whitespace() {
        words.extend(["--trigger".to_owned(), folder.to_owned()]);
    }
    chroot(root, &words.iter().map(String::as_str).collect::<Vec<_>>());
}
