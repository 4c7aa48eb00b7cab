//! What the tests of this room share: where files are, and how those that are generated are compared.
#![allow(dead_code, reason = "each test file is a crate of its own, and uses a part")]

use std::path::{Path, PathBuf};

use patchline_chains::{Catalogue, Compiled, Source, compile, explain};

/// Compiles with the step kinds as they are.
pub(crate) fn compiled(name: &str, bytes: &[u8]) -> Compiled {
    compile(Source { name, bytes }, &patchline_steps::catalogue())
}

/// Every complaint as a terminal shows it.
pub(crate) fn rendered(name: &str, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let shown: Vec<String> =
        compiled(name, bytes).diagnostics.iter().map(|d| d.render(name, &text)).collect();
    shown.join("\n")
}

/// Every explanation there is.
pub(crate) fn explanations() -> Vec<explain::Explanation> {
    let kinds = patchline_steps::catalogue().explanations().to_vec();
    explain::own().copied().chain(kinds).collect()
}

/// A path below the repository.
pub(crate) fn path(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(below)
}

/// The names of a folder's files with this ending, sorted.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(path(folder))
        .unwrap_or_else(|e| panic!("{folder}: {e}"))
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(ending))
        .collect();
    names.sort();
    names
}

/// Holds a committed file to what is generated now; with `PATCHLINE_BLESS=1` writes it instead.
pub(crate) fn committed(below: &str, generated: &str) {
    let file = path(below);
    if std::env::var_os("PATCHLINE_BLESS").is_some_and(|v| v == "1") {
        std::fs::write(&file, generated).unwrap_or_else(|e| panic!("{below}: {e}"));
        return;
    }
    let found = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{below}: {e}"));
    if found == generated {
        return;
    }
    let (mut old, mut new) = (found.lines(), generated.lines());
    let (mut line, mut differs) = (0, (None, None));
    while differs.0 == differs.1 {
        line += 1;
        differs = (old.next(), new.next());
        assert!(differs != (None, None), "{below} differs in line ends");
    }
    panic!(
        "{below}:{line} is not what is generated:\n  - {}\n  + {}\nif the change is meant: PATCHLINE_BLESS=1 cargo test -p patchline-examples",
        differs.0.unwrap_or("(end)"),
        differs.1.unwrap_or("(end)"),
    );
}
