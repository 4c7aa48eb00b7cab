//! Nobody reaches over: the import rules of ARCHITECTURE.md, held over `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Which rooms a room may import.
const RULES: &[(&str, &[&str])] = &[
    ("chains", &[]),
    ("registry", &[]),
    ("scanner", &["registry"]),
    ("remediation", &["scanner", "registry"]),
    ("engine", &["chains"]),
    ("store", &["engine", "scanner", "remediation", "chains"]),
    ("steps", &["engine", "chains", "scanner", "remediation", "registry"]),
    ("server", &["engine", "chains", "steps", "scanner", "registry", "remediation", "store"]),
    ("cli", &["engine", "chains", "steps", "scanner", "registry", "remediation", "store", "server"]),
    ("tests", &["engine", "chains", "steps", "scanner", "registry", "remediation", "store", "server"]),
    ("examples", &["chains", "steps"]),
    ("xtask", &[]),
];

/// Crates that only one room may use, and which.
const HOMES: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("apalis", &["engine"]),
    ("apalis-core", &["engine"]),
    ("cel", &["chains"]),
    ("handlebars", &["chains"]),
    ("pgp", &["remediation"]),
    ("clap", &["cli", "xtask"]),
    ("miette", &["cli", "chains"]),
    ("askama", &["server"]),
    ("indicatif", &["cli"]),
];

fn room(package: &str) -> &str {
    match package {
        "patchline" => "cli",
        other => other.strip_prefix("patchline-").unwrap_or(other),
    }
}

#[test]
fn every_room_imports_what_it_may_and_nothing_else() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let rules: BTreeMap<&str, BTreeSet<&str>> =
        RULES.iter().map(|(room, may)| (*room, may.iter().copied().collect())).collect();
    let rooms: BTreeSet<&str> = metadata.packages.iter().map(|p| room(p.name.as_str())).collect();
    assert_eq!(rooms, rules.keys().copied().collect(), "every room has a rule");
    let mut broken = Vec::new();
    for package in &metadata.packages {
        let here = room(package.name.as_str());
        // What tests start may be anything; what ships may not.
        for dependency in package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal) {
            let name = dependency.name.as_str();
            if dependency.path.is_some() && !rules[here].contains(room(name)) {
                broken.push(format!("{here} imports {}", room(name)));
            }
            if let Some((_, homes)) = HOMES.iter().find(|(krate, _)| *krate == name)
                && !homes.contains(&here)
            {
                broken.push(format!("{here} uses {name}, which lives in {}", homes.join(", ")));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_language_does_no_io_and_the_core_reads_no_clock() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut broken = Vec::new();
    for (folder, banned) in [
        ("chains/src", &["std::fs", "std::net", "std::env", "tokio", "SystemTime", "Timestamp::now"][..]),
        ("engine/src/core", &["std::fs", "tokio", "Timestamp::now", "SystemTime", "sqlx", "rand::"][..]),
    ] {
        for file in sources(&root.join(folder)) {
            let text = std::fs::read_to_string(&file).unwrap();
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap();
                if let Some(word) = banned.iter().find(|w| code.contains(**w)) {
                    broken.push(format!("{}:{}: {word}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn sql_stands_in_the_store_alone() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for folder in ["chains", "engine", "registry", "scanner", "remediation", "steps", "server", "cli"] {
        for file in sources(&root.join(folder).join("src")) {
            let text = std::fs::read_to_string(&file).unwrap();
            for sql in ["SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE "] {
                assert!(!text.contains(sql), "{} holds SQL: {sql}", file.display());
            }
        }
    }
}

fn sources(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // A room's own tests may use what its code may not.
        if path.is_dir() && !path.ends_with("tests") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}
