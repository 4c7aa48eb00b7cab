use super::*;

pub(super) fn file(path: &str) -> File<'_> {
    File { path, size: 1000, executable: false }
}

#[test]
fn names_bring_files_to_their_analysers() {
    for (path, expected) in [
        ("usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA", Some("python-metadata")),
        ("app/node_modules/a/package.json", Some("npm-package")),
        ("app/node_modules/a/lib/package.json", Some("npm-package")),
        ("app/requirements-dev.txt", Some("python-requirements")),
        ("app/a.b.jar", Some("java-archive")),
        ("app/jar", None),
        ("app/README", None),
        ("METADATA", None),
        ("", None),
        ("a.", None),
    ] {
        assert_eq!(analyser(&file(path)).map(Analyser::name), expected, "{path}");
    }
}

#[test]
fn names_of_analysers_are_distinct() {
    let names: std::collections::HashSet<_> = ANALYSERS.iter().map(|a| a.name()).collect();
    assert_eq!(names.len(), ANALYSERS.len());
}

#[test]
fn found_is_sorted_and_each_once() {
    let locked = |name: &str, develop| Component { develop, ..Component::locked(Kind::Npm, name, "1") };
    let mut found =
        Found::from_iter([locked("b", true), locked("a", true), locked("b", false), locked("", false)]);
    found.components[0].licenses =
        vec![" MIT ".into(), "x".repeat(limits::languages().license + 1), String::new()];
    let found = found.tidy();
    let names: Vec<_> = found.components.iter().map(|c| (c.name.as_str(), c.develop)).collect();
    assert_eq!(names, [("a", true), ("b", false)]);
    assert_eq!(found.components[1].licenses, ["MIT"]);
    assert_eq!(found.incomplete, ["a npm package has no usable name"]);
    let json = serde_json::to_string(&found).expect("JSON");
    assert!(json.contains(r#""evidence":"lock-file""#), "{json}");
    assert_eq!(serde_json::from_str::<Found>(&json).expect("comes back"), found);
}

#[test]
fn a_file_over_its_limit_is_incomplete() {
    let mut endless = io::repeat(b' ').take(limits::languages().whole + 2);
    let found = npm::YARN.read(&file("yarn.lock"), &mut endless).expect("reads");
    assert_eq!((found.components.len(), found.incomplete.len()), (0, 1));
}

proptest::proptest! {
    /// Whatever a file holds, each analyser that takes its name lives through it.
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        for analyser in ANALYSERS {
            let _ = analyser.read(&file("a/b.x"), &mut bytes.as_slice());
        }
    }
}

/// A look-up that nobody answers is what a scan does for nearly every file.
#[test]
fn files_that_nobody_wants_cost_nanoseconds() {
    let paths =
        ["usr/share/doc/libc6/changelog.Debian.gz", "usr/lib/x86_64-linux-gnu/libm.a", "a/b/c/README.md"];
    let files = paths.map(file);
    assert!(files.iter().all(|f| analyser(f).is_none()));
    #[expect(clippy::disallowed_methods, reason = "a rough measure that is printed")]
    let start = std::time::Instant::now();
    let wanted = (0..300_000).filter(|n| analyser(std::hint::black_box(&files[n % 3])).is_some()).count();
    println!("{} ns a file", start.elapsed().as_nanos() / 300_000);
    assert_eq!(wanted, 0);
}

/// Looks at real files: `PATCHLINE_TEST_FILES=/usr cargo test … real_files -- --ignored --nocapture`.
#[test]
#[ignore = "reads the folders that PATCHLINE_TEST_FILES names, separated by colons"]
fn real_files() {
    let Ok(folders) = std::env::var("PATCHLINE_TEST_FILES") else {
        println!("skipped: PATCHLINE_TEST_FILES is not set");
        return;
    };
    let mut open: Vec<std::path::PathBuf> = folders.split(':').map(Into::into).collect();
    let mut sums: std::collections::BTreeMap<&str, (usize, u64, u128, usize)> =
        std::collections::BTreeMap::new();
    while let Some(path) = open.pop() {
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            open.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path()));
            continue;
        }
        if !metadata.is_file() {
            continue;
        }
        use std::os::unix::fs::PermissionsExt as _;
        let executable = metadata.permissions().mode() & 0o111 != 0;
        let text = path.to_string_lossy().trim_start_matches('/').to_owned();
        let file = File { path: &text, size: metadata.len(), executable };
        let Some(analyser) = analyser(&file) else { continue };
        let Ok(mut content) = std::fs::File::open(&path) else { continue };
        #[expect(clippy::disallowed_methods, reason = "a rough measure that is printed")]
        let start = std::time::Instant::now();
        let read = analyser.read(&file, &mut content);
        let sum = sums.entry(analyser.name()).or_default();
        (sum.0, sum.1, sum.2) = (sum.0 + 1, sum.1 + metadata.len(), sum.2 + start.elapsed().as_micros());
        match read {
            Ok(found) => {
                sum.3 += found.components.len();
                found.incomplete.iter().for_each(|note| println!("{text}: incomplete: {note}"));
                for c in &found.components {
                    println!(
                        "{text}: {} {:?}{}",
                        c.purl(),
                        c.evidence,
                        c.inside.as_ref().map(|i| format!(" in {i}")).unwrap_or_default()
                    );
                }
            }
            Err(error) => println!("{text}: unreadable: {}", error.reason),
        }
    }
    for (name, (files, bytes, micros, components)) in sums {
        println!("{name}: {files} files, {bytes} bytes, {components} components, {} ms", micros / 1000);
    }
}
