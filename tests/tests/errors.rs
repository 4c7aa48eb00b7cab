//! Codes are stable: each one that the code can show is listed in docs/errors.md, and the other way round.

#[path = "errors/makers.rs"]
mod makers;
#[path = "errors/tokens.rs"]
mod tokens;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use makers::Room;

const ROOMS: [&str; 9] =
    ["chains", "engine", "store", "registry", "scanner", "remediation", "steps", "server", "cli"];

#[test]
fn every_code_is_documented_and_every_documented_code_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let documented = documented(&fs::read_to_string(root.join("docs/errors.md")).unwrap());

    let rooms: Vec<Room> =
        ROOMS.iter().map(|name| Room::read(&sources(&root.join(name).join("src")))).collect();
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    let mut untraced = Vec::new();
    for (at, name) in ROOMS.iter().enumerate() {
        let found = makers::codes(&rooms, at);
        assert!(!found.codes.is_empty(), "no code was found in {name}: the search is broken");
        shown.extend(found.codes);
        untraced.extend(found.untraced);
    }
    assert!(untraced.is_empty(), "which code stands here cannot be seen:\n{}", untraced.join("\n"));
    for code in patchline_chains::diagnostics::CODES {
        shown.entry(code.to_owned()).or_insert_with(|| "patchline_chains::diagnostics::CODES".to_owned());
    }

    let missing: Vec<String> = shown
        .iter()
        .filter(|(code, _)| !documented.contains(*code))
        .map(|(code, place)| format!("{code} ({place})"))
        .collect();
    assert!(missing.is_empty(), "not in docs/errors.md:\n{}", missing.join("\n"));
    let gone: Vec<&String> = documented.iter().filter(|code| !shown.contains_key(*code)).collect();
    assert!(gone.is_empty(), "in docs/errors.md, but nothing shows them: {gone:?}");
}

/// The first cell of each row; every row has its three cells, and no code has two rows.
fn documented(text: &str) -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for line in text.lines().filter(|l| l.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells.len() == 3 && cells.iter().all(|c| !c.is_empty()), "three cells: {line}");
        let code = cells[0].trim_matches('`');
        assert!(makers::is_code(code), "not a code: {line}");
        assert!(codes.insert(code.to_owned()), "`{code}` stands twice in docs/errors.md");
    }
    codes
}

/// Every source file but the tests': those that a `#[cfg(test)] mod name;` brings in, or that are named so.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let all = rust_files(folder);
    let tests: BTreeSet<PathBuf> = all.iter().flat_map(|file| test_modules(file)).collect();
    let by_name = |file: &Path| {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        stem == "tests" || stem.ends_with("_tests")
    };
    all.into_iter()
        .filter(|file| !by_name(file) && !file.ancestors().any(|f| tests.contains(&f.with_extension(""))))
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// The modules, without `.rs`, that this file has for its tests alone.
fn test_modules(file: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).unwrap();
    let named = text.split("#[cfg(test)]").skip(1).filter_map(|after| {
        let after = after.trim_start().trim_start_matches("pub(crate) ").strip_prefix("mod ")?;
        after.split_once(';').map(|(name, _)| name).filter(|name| !name.contains('{'))
    });
    // `x/mod.rs`, `lib.rs` and `main.rs` have theirs beside them, `x.rs` below `x`.
    named.flat_map(|name| [file.with_file_name(name), file.with_extension("").join(name)]).collect()
}

#[test]
fn a_code_is_found_wherever_it_is_made() {
    let text = r##"
        struct Problem { code: String, text: String }
        impl Failure {
            fn new(class: u8, code: impl Into<String>, text: &str) -> Self { Self { code: code.into() } }
            fn says(code: &'static str) -> Self { Self::new(1, code, "other-words") }
            fn it() -> Self { Self::says("by-self") }
        }
        impl Error { pub fn code(&self) -> &'static str { match self { Self::A => "an-arm", Self::B(e) => e.code() } } }
        fn objection(path: &[&str], code: &str, hint: &str) {}
        fn all() {
            // Failure::says("in-a-comment")
            objection(&["not", "these"], "from-a-function", "nor-this");
            Failure::new(2, if deep() { "one-way" } else { "other-way" }, "not-this");
            let failed = |code: &str, text: &str| Problem { code: code.into(), text: text.into() };
            failed("from-a-closure", "not-this-one");
            Problem { code: "in-a-field".to_owned(), text: "no-code".into() };
            let code = format!("numbered-{}", 3);
            let text = "Failure::says(\"in-a-text\")";
            Failure::says(error.code());
        }
        #[cfg(test)]
        mod tests { fn it() { Failure::says("in-a-test"); } }
        fn after() { crate::Failure::says("after-tests"); }
    "##;
    let found = makers::codes(&[Room::of(&[("it.rs", text)])], 0);
    assert_eq!(found.untraced, [""; 0]);
    let codes: Vec<&str> = found.codes.keys().map(String::as_str).collect();
    assert_eq!(
        codes,
        [
            "after-tests",
            "an-arm",
            "by-self",
            "from-a-closure",
            "from-a-function",
            "in-a-field",
            "numbered-N",
            "one-way",
            "other-way"
        ]
    );
}

#[test]
fn a_code_that_cannot_be_seen_is_told() {
    for hidden in [
        "fn it() { Problem { code: NAME.to_owned() } }",
        "impl F { fn says(code: &str) {} } fn it() { F::says(NAME) }",
        "fn it() { let code = NAME; }",
        "fn it() { if let Some((code, reason)) = why { } }",
    ] {
        let found = makers::codes(&[Room::of(&[("it.rs", hidden)])], 0);
        assert_eq!(found.untraced.len(), 1, "{hidden}");
    }
}
