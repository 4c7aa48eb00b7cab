//! Another scanner's test files, where the shared data folder is at hand.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Everything of the archive by its path.
fn fixtures() -> Option<BTreeMap<String, Vec<u8>>> {
    let found = ["../shared/data", "../../shared/data", "../../../shared/data"]
        .map(|folder| std::path::Path::new(folder).join("fixtures.tar.zst"));
    let bytes = std::fs::read(found.into_iter().find(|p| p.is_file())?).ok()?;
    let mut archive = tar::Archive::new(zstd::Decoder::new(bytes.as_slice()).expect("zstd"));
    let mut files = BTreeMap::new();
    for entry in archive.entries().expect("tar") {
        let mut entry = entry.expect("entry");
        let path = entry.path().expect("path").to_string_lossy().trim_start_matches("./").to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("content");
        files.insert(path, content);
    }
    Some(files)
}

/// Folder of a test, the analyser that it is for, and how the file is called where its name is not its own.
const SETS: &[(&str, &str, &str)] = &[
    ("dependency/parser/python/packaging", "python-metadata", "a.dist-info/METADATA"),
    ("dependency/parser/python/pip", "python-requirements", "requirements.txt"),
    ("dependency/parser/python/pipenv", "python-pipenv", "Pipfile.lock"),
    ("dependency/parser/python/poetry", "python-poetry", "poetry.lock"),
    ("dependency/parser/python/uv", "python-uv", "uv.lock"),
    ("dependency/parser/python/pylock", "python-pylock", "pylock.toml"),
    ("dependency/parser/nodejs/npm", "npm-package-lock", "package-lock.json"),
    ("dependency/parser/nodejs/yarn", "npm-yarn", "yarn.lock"),
    ("dependency/parser/nodejs/pnpm", "npm-pnpm", "pnpm-lock.yaml"),
    ("dependency/parser/nodejs/bun", "npm-bun", "bun.lock"),
    ("dependency/parser/java/jar", "java-archive", ""),
    ("fanal/analyzer/language/python/packaging", "python-metadata", ""),
    ("fanal/analyzer/language/python/packaging/egg", "python-egg", ""),
    ("fanal/analyzer/language/python/poetry", "python-poetry", ""),
    ("fanal/analyzer/language/python/pylock", "python-pylock", ""),
    ("fanal/analyzer/language/python/uv", "python-uv", ""),
    ("fanal/analyzer/language/nodejs/npm", "npm-package-lock", ""),
    ("fanal/analyzer/language/nodejs/pkg", "npm-package", "package.json"),
    ("fanal/analyzer/language/nodejs/yarn", "npm-yarn", ""),
    ("fanal/analyzer/language/nodejs/pnpm", "npm-pnpm", ""),
    ("fanal/analyzer/language/nodejs/bun", "npm-bun", ""),
    ("dependency/parser/ruby/gemspec", "ruby-gemspec", "specifications/a.gemspec"),
    ("fanal/analyzer/language/ruby/gemspec", "ruby-gemspec", "specifications/a.gemspec"),
    ("dependency/parser/ruby/bundler", "ruby-bundler", "Gemfile.lock"),
    ("dependency/parser/php/composer", "php-composer-lock", "composer.lock"),
    ("fanal/analyzer/language/php/composer", "php-composer-lock", ""),
    ("fanal/analyzer/language/php/composer/vendor", "php-composer-installed", ""),
    ("dependency/parser/dotnet/core_deps", "dotnet-deps", "a.deps.json"),
    ("fanal/analyzer/language/dotnet/deps", "dotnet-deps", "a.deps.json"),
    ("dependency/parser/nuget/lock", "dotnet-packages-lock", "packages.lock.json"),
    ("dependency/parser/nuget/config", "dotnet-packages-config", "packages.config"),
    ("dependency/parser/c/conan", "conan", "conan.lock"),
    ("fanal/analyzer/language/c/conan", "conan", ""),
    ("dependency/parser/swift/swift", "swift", "Package.resolved"),
    ("fanal/analyzer/language/swift/swift", "swift", ""),
    ("dependency/parser/swift/cocoapods", "cocoapods", "Podfile.lock"),
    ("fanal/analyzer/language/swift/cocoapods", "cocoapods", "Podfile.lock"),
    ("dependency/parser/dart/pub", "dart-pub", "pubspec.lock"),
    ("fanal/analyzer/language/dart/pub", "dart-pub", ""),
    ("dependency/parser/hex/mix", "elixir-mix", "mix.lock"),
    ("fanal/analyzer/language/elixir/mix", "elixir-mix", "mix.lock"),
    ("dependency/parser/rust/cargo", "rust-cargo-lock", "Cargo.lock"),
    ("dependency/parser/conda/meta", "conda-meta", "conda-meta/a.json"),
    ("fanal/analyzer/language/conda/meta", "conda-meta", "conda-meta/a.json"),
    ("dependency/parser/golang/binary", "binary", ""),
    ("dependency/parser/rust/binary", "binary", ""),
];

/// What is read otherwise, and why: an expectation's path and case, or a part of either.
const MISSES: &[(&str, &str)] = &[
    (
        "dart/pub/parse_test.expected.json: use minimum version",
        "an option that takes the SDK's range for a version",
    ),
    ("jar/parse_test.expected.json: sha1 search", "needs a table of hashes; its hash is kept for one"),
    ("jar/parse_test.expected.json: offline", "its title is no artifact: Maven knows it as spring-core"),
    ("jar/parse_test.expected.json: artifactId search", "needs a search for the artifact's group"),
    ("npm/parse_test.expected.json: lock version v3 with workspace", "a workspace without a version"),
    ("pnpm/parse_test.expected.json: archives", "package1 is a folder of the project"),
    ("yarn/parse_test.expected.json: happy v2", "a patched package is there all the same"),
    (
        "pip/parse_test.expected.json: compatible versions",
        "an option that takes a range's lower end for a version",
    ),
    ("uv/parse_test.expected.json: lockfile without root", "what is locked is read without a root"),
    ("uv/parse_test.expected.json: multiple roots", "what is locked is read for all roots"),
    // What follows lists the project itself, which another file names.
    ("yarn/yarn_test.expected.json: happy path", "the project, from package.json"),
    (
        "yarn/yarn_test.expected.json: project with workspace placed in sub dir",
        "the project, from package.json",
    ),
    ("yarn/yarn_test.expected.json: parse licenses (yarn v2+)", "the project, from package.json"),
    (
        "yarn/yarn_test.expected.json: parse licenses (yarn v2+ with node-modules linker)",
        "the project, from package.json",
    ),
    ("yarn/yarn_test.expected.json: happy path with alias rewrite", "the project, from package.json"),
    ("yarn/yarn_test.expected.json: monorepo", "the project, from package.json"),
];

#[test]
fn agrees_with_the_expectations() {
    let Some(files) = fixtures() else {
        println!("skipped: the shared fixtures are not at hand");
        return;
    };
    let mut missed = BTreeSet::new();
    let mut wrong = Vec::new();
    let (mut cases, mut packages) = (0, 0);
    for (path, json) in files.iter().filter(|(path, _)| path.ends_with(".expected.json")) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        // Two tests of one folder: the second has its name behind it.
        let special =
            ["egg", "vendor"].into_iter().find(|s| path.ends_with(&format!("/{s}_test.expected.json")));
        let full = special.map_or_else(|| folder.to_owned(), |s| format!("{folder}/{s}"));
        let set = SETS.iter().find(|(f, ..)| full.ends_with(f));
        let Some((_, name, called)) = set else { continue };
        let reader = ANALYSERS.iter().find(|a| a.name() == *name).expect(name);
        let expected: serde_json::Value = serde_json::from_slice(json).expect("JSON");
        for case in expected["cases"].as_array().expect("cases") {
            let title = format!(
                "{}: {}",
                &path[path.find("pkg/").expect("pkg") + 4..],
                case["case"].as_str().unwrap_or("")
            );
            let Some(input) = case["inputs"][0].as_str() else { continue };
            let input = format!("{folder}/{input}");
            let below = |p: &str| p.strip_prefix(input.as_str()).is_some_and(|r| r.starts_with('/'));
            let inputs: Vec<_> = files
                .iter()
                .filter(|(p, _)| {
                    **p == input || (below(p) && reader.wants(&tests::file(p)) && named(*reader, p))
                })
                .collect();
            if inputs.is_empty() {
                println!("not staged: {title}");
                continue;
            }
            cases += 1;
            let wanted: BTreeSet<(String, String)> = case["packages"]
                .as_array()
                .expect("packages")
                .iter()
                .map(|p| {
                    (
                        p["Name"].as_str().unwrap_or("").to_owned(),
                        p["Version"].as_str().unwrap_or("").to_owned(),
                    )
                })
                .collect();
            let mut found = BTreeSet::new();
            let mut errors = Vec::new();
            for (p, bytes) in inputs {
                let path = if called.is_empty() { p.as_str() } else { called };
                match reader
                    .read(&File { path, size: bytes.len() as u64, executable: false }, &mut bytes.as_slice())
                {
                    Ok(read) => {
                        assert!(read.incomplete.is_empty(), "{title}: {:?}", read.incomplete);
                        let all = read
                            .components
                            .iter()
                            .map(|c| (c.main || c.develop, c.full_name(), c.version.clone()));
                        // The project itself, and what is for its development, is listed there for some formats and not for others.
                        let wanted =
                            |c: &(bool, String, String)| !c.0 || wanted.contains(&(c.1.clone(), c.2.clone()));
                        found.extend(all.filter(wanted).map(|(_, name, version)| (name, version)));
                    }
                    Err(error) => errors.push(error.reason),
                }
            }
            packages += wanted.len();
            if found == wanted {
                continue;
            }
            // Another test's case may have a miss's title, and be right.
            match MISSES.iter().find(|(end, _)| title.ends_with(end)) {
                Some((part, _)) => drop(missed.insert(*part)),
                None => wrong.push(format!(
                    "{title}\n  lacks {:?}\n  has {:?}\n  errors {errors:?}",
                    wanted.difference(&found).collect::<Vec<_>>(),
                    found.difference(&wanted).collect::<Vec<_>>()
                )),
            }
        }
    }
    println!("{cases} cases with {packages} packages, {} read otherwise on purpose", missed.len());
    let stale: Vec<_> = MISSES.iter().filter(|(part, _)| !missed.contains(part)).collect();
    assert!(wrong.is_empty() && stale.is_empty(), "{}\nno longer missed: {stale:?}", wrong.join("\n"));
}

fn named(analyser: &dyn Analyser, path: &str) -> bool {
    let name = tests::file(path).name();
    analyser.named().iter().any(|n| match n {
        Named::Is(whole) => name == *whole,
        Named::Ends(end) => name.rsplit_once('.').is_some_and(|(_, e)| e == *end),
        Named::Begins(start) => name.starts_with(start),
        Named::Executable => false,
    })
}

/// Archives that were made for this, with the names that the advisories know them by.
#[test]
fn synthetic_archives_have_their_names() {
    let Some(files) = fixtures() else {
        println!("skipped: the shared fixtures are not at hand");
        return;
    };
    let folder = "jars-synthetic/";
    let find =
        |name: &str| files.iter().find(|(p, _)| p.ends_with(&format!("{folder}{name}"))).map(|(_, b)| b);
    let expected: serde_json::Value =
        serde_json::from_slice(find("expected.json").expect("staged")).expect("JSON");
    for (name, packages) in expected["expected"].as_object().expect("a map") {
        let Some(bytes) = find(name) else {
            println!("not staged: {name}");
            continue;
        };
        let file = File { path: name, size: bytes.len() as u64, executable: false };
        let found = java::JAVA.read(&file, &mut bytes.as_slice()).expect("reads");
        let found: BTreeSet<_> =
            found.components.iter().map(|c| (c.full_name(), c.version.clone())).collect();
        let text = |v: &serde_json::Value| v.as_str().expect("a text").to_owned();
        let wanted: BTreeSet<_> = packages
            .as_array()
            .expect("a list")
            .iter()
            .map(|p| (text(&p["name"]), text(&p["version"])))
            .collect();
        assert_eq!(found, wanted, "{name}");
    }
}
