//! dpkg's database as a real installation leaves it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    tree::{Content, Kind, Tree},
    unpack::Unpacked,
};
use crate::deb::status;

const ROOT: &str = "var/lib/dpkg";
const SCRIPTS: &[&str] = &["preinst", "postinst", "prerm", "postrm", "config"];

/// Writes status, info and the trigger tables. `lost`: by package, paths that another one keeps.
pub(super) fn write(tree: &mut Tree, packages: &[Unpacked], lost: &[BTreeSet<String>]) {
    for folder in ["", "/info", "/alternatives", "/parts", "/triggers", "/updates"] {
        tree.folder(&format!("{ROOT}{folder}"), 0o755);
    }
    let mut text = String::new();
    let mut triggers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (package, lost) in packages.iter().zip(lost) {
        let conffiles: Vec<(String, String)> = package
            .conffiles()
            .into_iter()
            .filter_map(|path| Some((format!("/{path}"), package.md5.get(&path)?.clone())))
            .collect();
        text += &status::stanza(&package.record.fields, "install ok installed", &conffiles);
        text.push('\n');
        let info = format!("{ROOT}/info/{}", package.record.info_name());
        tree.file(&format!("{info}.list"), list(package, lost));
        for (name, bytes) in package.control.iter().filter(|(name, _)| *name != "control") {
            let mode = if SCRIPTS.contains(&name.as_str()) { 0o755 } else { 0o644 };
            tree.put(&format!("{info}.{name}"), Kind::File(Content::Bytes(bytes.clone())), mode, 0, 0);
        }
        if !package.control.contains_key("md5sums") {
            // dpkg makes the list itself for a package that brings none; conffiles are not in it.
            let conffiles: BTreeSet<String> = package.conffiles().into_iter().collect();
            let sums: String = package
                .md5
                .iter()
                .filter(|(path, _)| !conffiles.contains(*path))
                .map(|(path, md5)| format!("{md5}  {path}\n"))
                .collect();
            tree.file(&format!("{info}.md5sums"), sums);
        }
        for (file, line) in interests(&package.text("triggers"), &package.record.name) {
            triggers.entry(file).or_default().push(line);
        }
    }
    tree.file(&format!("{ROOT}/status"), text);
    tree.file(&format!("{ROOT}/info/format"), "1\n");
    for name in ["available", "diversions", "statoverride", "triggers/Unincorp"] {
        tree.file(&format!("{ROOT}/{name}"), "");
    }
    for (file, lines) in triggers {
        tree.file(&format!("{ROOT}/triggers/{file}"), lines.concat());
    }
}

/// Paths as shipped, in the archive's order.
fn list(package: &Unpacked, lost: &BTreeSet<String>) -> String {
    let mut text = String::new();
    for (entry, _) in package.entries.iter().filter(|(entry, _)| !lost.contains(&entry.path)) {
        text += if entry.path.is_empty() { "/." } else { "/" };
        text += &entry.path;
        text.push('\n');
    }
    text
}

/// (table under `triggers/`, line) for each interest that a package declares (deb-triggers(5)).
fn interests(text: &str, package: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let (Some(verb), Some(name)) = (words.next(), words.next()) else { continue };
        let options = match verb {
            "interest" | "interest-await" => "",
            "interest-noawait" => "/noawait",
            _ => continue,
        };
        if name.starts_with('/') {
            found.push(("File".to_owned(), format!("{name} {package}{options}\n")));
        } else if !name.contains('/') && !name.starts_with('.') {
            found.push((name.to_owned(), format!("{package}{options}\n")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interests_go_to_their_tables() {
        let text = "# note\nactivate-noawait ldconfig\ninterest-noawait ldconfig\ninterest /usr/share/man\ninterest ../x\n";
        assert_eq!(
            interests(text, "libc-bin"),
            [
                ("ldconfig".to_owned(), "libc-bin/noawait\n".to_owned()),
                ("File".to_owned(), "/usr/share/man libc-bin\n".to_owned()),
            ]
        );
    }
}
