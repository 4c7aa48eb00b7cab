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
    ("composer/parse_test.expected.json: happy path", "a choice of licences stays one expression"),
    ("packaging/parse_test.expected.json: egg PKG-INFO", "UNKNOWN is no licence"),
    (
        "packaging/parse_test.expected.json: egg PKG-INFO with description containing non-RFC 7230 bytes",
        "UNKNOWN is no licence",
    ),
    // Licences, and what is for development, that other files than the lock file name.
    (
        "packaging/parse_test.expected.json: without licenses, but with a license file (a license in Classifier was removed)",
        "a licence's text lies in another file",
    ),
    (
        "packaging/packaging_test.expected.json: license file in dist.info",
        "a licence's text lies in another file",
    ),
    ("packaging/egg_test.expected.json: egg zip with license file", "a licence's text lies in another file"),
    ("conan/conan_test.expected.json: happy path V1 with cache dir", "licences lie in another file"),
    ("conan/conan_test.expected.json: happy path V2 with cache dir", "licences lie in another file"),
    ("bun/bun_test.expected.json: with node_modules", "licences lie in another file"),
    ("npm/npm_test.expected.json: with node_modules", "licences lie in another file"),
    ("pnpm/pnpm_test.expected.json: with node_modules", "licences lie in another file"),
    ("pnpm/pnpm_test.expected.json: V9 with node_modules", "licences lie in another file"),
    ("yarn/yarn_test.expected.json: parse licenses (yarn classic)", "licences lie in another file"),
    (
        "yarn/yarn_test.expected.json: package uses `latest` version",
        "package.json says what is for development",
    ),
    ("poetry/poetry_test.expected.json: with groups", "pyproject.toml says what is for development"),
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

/// A case of the expectations: what it is called, where its input lies, and what is in it.
struct Case {
    title: String,
    input: String,
    packages: Vec<serde_json::Value>,
}

fn cases(path: &str, json: &[u8]) -> Vec<Case> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let expected: serde_json::Value = serde_json::from_slice(json).expect("JSON");
    let one = |case: &serde_json::Value| {
        let name = case["case"].as_str().unwrap_or("");
        Some(Case {
            title: format!("{}: {name}", &path[path.find("pkg/").expect("pkg") + 4..]),
            input: format!("{folder}/{}", case["inputs"][0].as_str()?),
            packages: case["packages"].as_array().expect("packages").clone(),
        })
    };
    expected["cases"].as_array().expect("cases").iter().filter_map(one).collect()
}

/// The set that an expectation belongs to.
fn set(path: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    // Two tests of one folder: the second has its name behind it.
    let special = ["egg", "vendor"].into_iter().find(|s| path.ends_with(&format!("/{s}_test.expected.json")));
    let full = special.map_or_else(|| folder.to_owned(), |s| format!("{folder}/{s}"));
    SETS.iter().find(|(f, ..)| full.ends_with(f))
}

/// What the analyser finds in a case's input; none: it was not staged.
fn read(
    files: &BTreeMap<String, Vec<u8>>,
    reader: &dyn Analyser,
    called: &str,
    case: &Case,
) -> Option<Found> {
    let below = |p: &str| p.strip_prefix(case.input.as_str()).is_some_and(|r| r.starts_with('/'));
    let wanted = |p: &str| p == case.input || (below(p) && reader.wants(&tests::file(p)) && named(reader, p));
    let inputs: Vec<_> = files.iter().filter(|(p, _)| wanted(p)).collect();
    let mut all = Found::default();
    for (p, bytes) in &inputs {
        let path = if called.is_empty() { p.as_str() } else { called };
        let file = File { path, size: bytes.len() as u64, executable: false };
        if let Ok(found) = reader.read(&file, &mut bytes.as_slice()) {
            assert!(found.incomplete.is_empty(), "{}: {:?}", case.title, found.incomplete);
            all.components.extend(found.components);
        }
    }
    (!inputs.is_empty()).then_some(all)
}

/// What differs, in words; none: nothing does.
fn difference(case: &Case, found: &Found) -> Option<String> {
    let text = |v: &serde_json::Value| v.as_str().unwrap_or("").to_owned();
    let wanted: BTreeSet<_> = case.packages.iter().map(|p| (text(&p["Name"]), text(&p["Version"]))).collect();
    let name = |c: &Component| (c.full_name(), c.version.clone());
    // The project itself, and what is for its development, is listed there for some formats and not for others.
    let counts = |c: &&Component| !(c.main || c.develop) || wanted.contains(&name(c));
    let ours: BTreeSet<_> = found.components.iter().filter(counts).map(name).collect();
    let mut differences = Vec::new();
    if ours != wanted {
        let (lacks, has) =
            (wanted.difference(&ours).collect::<Vec<_>>(), ours.difference(&wanted).collect::<Vec<_>>());
        differences.push(format!("lacks {lacks:?}, has {has:?}"));
    }
    for p in &case.packages {
        let Some(c) = found.components.iter().find(|c| name(c) == (text(&p["Name"]), text(&p["Version"])))
        else {
            continue;
        };
        let licenses: BTreeSet<_> = p["Licenses"].as_array().into_iter().flatten().map(text).collect();
        let stated: BTreeSet<_> = c.licenses.iter().cloned().collect();
        if licenses != stated && !licenses.is_empty() {
            differences.push(format!("{} is under {stated:?} and not {licenses:?}", c.full_name()));
        }
        // One way to it that is not for development is enough.
        let same = case.packages.iter().filter(|o| o["Name"] == p["Name"] && o["Version"] == p["Version"]);
        let develop = p["Dev"].as_bool().map(|_| same.into_iter().all(|o| o["Dev"].as_bool() == Some(true)));
        if develop.is_some_and(|develop| develop != c.develop) {
            differences.push(format!("{}: for development: {}", c.full_name(), c.develop));
        }
    }
    (!differences.is_empty()).then(|| differences.join("; "))
}

#[test]
fn agrees_with_the_expectations() {
    let Some(files) = fixtures() else {
        println!("skipped: the shared fixtures are not at hand");
        return;
    };
    let mut missed = BTreeSet::new();
    let mut wrong = Vec::new();
    let (mut read_cases, mut packages) = (0, 0);
    for (path, json) in files.iter().filter(|(path, _)| path.ends_with(".expected.json")) {
        let Some((_, name, called)) = set(path) else { continue };
        let reader = *ANALYSERS.iter().find(|a| a.name() == *name).expect(name);
        for case in cases(path, json) {
            let Some(found) = read(&files, reader, called, &case) else {
                println!("not staged: {}", case.title);
                continue;
            };
            (read_cases, packages) = (read_cases + 1, packages + case.packages.len());
            let Some(difference) = difference(&case, &found) else { continue };
            match MISSES.iter().find(|(end, _)| case.title.ends_with(end)) {
                Some((end, _)) => drop(missed.insert(*end)),
                None => wrong.push(format!("{}: {difference}", case.title)),
            }
        }
    }
    println!("{read_cases} cases with {packages} packages, {} read otherwise on purpose", missed.len());
    let stale: Vec<_> = MISSES.iter().filter(|(end, _)| !missed.contains(end)).collect();
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
