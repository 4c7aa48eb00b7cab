//! Codes are stable: each one that the code can show is listed in docs/errors.md, and the other way round.

use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn every_code_is_documented_and_every_documented_code_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let documented: BTreeSet<String> = fs::read_to_string(root.join("docs/errors.md"))
        .unwrap()
        .lines()
        .filter_map(|l| l.strip_prefix("| `"))
        .filter_map(|l| l.split('`').next())
        .map(str::to_owned)
        .collect();
    let mut shown = BTreeSet::new();
    for room in ["chains", "engine", "store", "registry", "scanner", "remediation", "steps", "server", "cli"]
    {
        for file in sources(&root.join(room).join("src")) {
            codes(&fs::read_to_string(&file).unwrap(), &mut shown);
        }
    }
    let missing: Vec<&String> = shown.difference(&documented).collect();
    assert!(missing.is_empty(), "not in docs/errors.md: {missing:?}");
    let gone: Vec<&String> = documented.difference(&shown).collect();
    assert!(gone.is_empty(), "in docs/errors.md, but nothing shows them: {gone:?}");
}

/// Codes stand where errors are made: as the value of a `fn code` arm, or as the first argument of
/// the constructors that take one.
fn codes(text: &str, found: &mut BTreeSet<String>) {
    let code = |s: &str| {
        let end = s.find('"')?;
        let word = &s[..end];
        let kebab = word.contains('-')
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !word.starts_with('-')
            && !word.ends_with('-');
        kebab.then(|| word.to_owned())
    };
    let text = text.split("#[cfg(test)]").next().unwrap();
    for marker in
        ["=> \"", "says(\"", "usage(\"", "Failure::new(\"", "permanent(\"", "code: \"", "Problem::new(\""]
    {
        for (at, _) in text.match_indices(marker) {
            let line_start = text[..at].rfind('\n').map_or(0, |i| i + 1);
            let in_code = marker != "=> \""
                || text[line_start..at].contains("Self::")
                || text[line_start..at].contains("Error::");
            if in_code {
                found.extend(code(&text[at + marker.len()..]));
            }
        }
    }
}

fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}
