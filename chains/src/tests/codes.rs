use std::collections::BTreeSet;
use std::path::Path;

use crate::diagnostics::CODES;

/// The codes that stand after `Diagnostic::error(` and its kin in the crate's sources.
fn used(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            used(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for call in ["Diagnostic::error(", "Diagnostic::warning(", "fatal("] {
                let codes = text.split(call).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
                found.extend(codes.filter_map(|rest| rest.split_once('"')).map(|(code, _)| code.to_owned()));
            }
        }
    }
}

#[test]
fn the_list_of_codes_is_what_the_sources_use() {
    let mut found = BTreeSet::new();
    used(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), CODES);
}
