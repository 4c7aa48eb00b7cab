//! The files of a distribution: what its RECORD names goes, the new wheel's come, and the scripts stay.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};

use crate::{
    executor::native::extend::Additions,
    languages::{
        archive::Files,
        blocked,
        lay::{Ground, changed},
        removed::whiteouts,
    },
    plan::Blocked,
    tree::{Hasher, Kind, Tree, join},
};

/// A distribution where it is installed, and the wheel that replaces it.
pub(super) struct Installed<'a> {
    pub(super) tree: &'a Tree,
    pub(super) name: &'a str,
    /// Its folder, `usr/lib/python3.11/site-packages`.
    pub(super) site: &'a str,
    /// `name-1.0.dist-info`, and the wheel's.
    pub(super) info: (&'a str, &'a str),
    /// `RECORD` as it stands.
    pub(super) record: &'a str,
    /// `INSTALLER` as it stands.
    pub(super) installer: &'a [u8],
    /// Whether somebody asked for it by name.
    pub(super) requested: bool,
    pub(super) new: &'a Files,
    /// Real paths of what the system's packages own.
    pub(super) owned: &'a BTreeSet<String>,
}

/// What `RECORD` says of what is there.
#[derive(Default)]
struct Recorded {
    /// In the folder, by path from the root.
    files: BTreeSet<String>,
    /// Named, and not there.
    absent: BTreeSet<String>,
    /// Lines of what lies elsewhere, which stays.
    elsewhere: Vec<String>,
}

impl Installed<'_> {
    fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.site)
    }

    /// What goes into the layer, or which file is not as it was installed.
    pub(super) fn lay(&self) -> Result<Additions, Blocked> {
        let recorded = self.recorded()?;
        let metadata = self.path(&format!("{}/METADATA", self.info.0));
        let Some(owner) = self.tree.get(&metadata).map(|node| &node.entry) else {
            return Err(changed(&metadata, "is no file"));
        };
        let ground = Ground { tree: self.tree, root: self.site, owner };
        // Later than what it replaces: what Python has made of that is for nothing wherever it lies.
        let mtime = owner.mtime + 1;
        let mut additions = Additions::default();
        let mut lines = recorded.elsewhere.clone();
        let written = [format!("{}/RECORD", self.info.1), format!("{}/INSTALLER", self.info.1)];
        for (file, packed) in self.new.iter().filter(|(file, _)| !written.contains(file)) {
            let path = self.path(file);
            if recorded.absent.contains(&path) {
                continue;
            }
            if self.tree.get(&path).is_some() && !recorded.files.contains(&path) {
                return Err(changed(&path, "is of somebody else"));
            }
            ground.put(file, &packed.bytes, packed.executable, mtime, &mut additions)?;
            lines.push(line(file, &packed.bytes));
        }
        let mut more = vec![(written[1].clone(), self.installer.to_vec())];
        if self.requested {
            more.push((format!("{}/REQUESTED", self.info.1), Vec::new()));
        }
        for (file, bytes) in more {
            ground.put(&file, &bytes, false, mtime, &mut additions)?;
            lines.push(line(&file, &bytes));
        }
        lines.push(format!("{},,", quoted(&written[0])));
        lines.sort();
        let record = lines.join("\n") + "\n";
        ground.put(&written[0], record.as_bytes(), false, mtime, &mut additions)?;

        let mut removed = recorded.files;
        removed.extend(self.compiled(&removed));
        let info = self.path(self.info.0);
        let of_info = self.tree.under(&info).filter(|(_, node)| node.entry.kind != Kind::Dir);
        removed.extend(of_info.map(|(path, _)| path.to_owned()));
        for path in &removed {
            let old = self.tree.get(path).and_then(|node| node.entry.hashes).map(|hashes| hashes.sha256);
            let same = old.is_some() && additions.expected.get(path) == old.as_ref();
            if let Some(old) = old.filter(|_| !same) {
                additions.replaced.insert(old, (self.name.to_owned(), path.clone()));
            }
        }
        additions.whiteouts = whiteouts(self.tree, self.site, &removed, &additions.entries);
        Ok(additions)
    }

    fn recorded(&self) -> Result<Recorded, Blocked> {
        let mut recorded = Recorded::default();
        let inside = format!("{}/", self.site);
        for text in self.record.lines().filter(|line| !line.trim().is_empty()) {
            let fields = fields(text);
            let (Some(file), hash) = (fields.first(), fields.get(1).map_or("", String::as_str)) else {
                continue;
            };
            if file.starts_with('/') || file.is_empty() {
                return Err(changed(file.trim_start_matches('/'), "stands in its RECORD by itself"));
            }
            let path = self.tree.through(&join(self.site, file)).into_owned();
            if self.owned.contains(&path) {
                let reason =
                    format!("/{path} belongs to a package of the system, which has its own upgrades");
                return Err(blocked("system-package", reason, None));
            }
            let Some(there) = self.tree.get(&path).map(|node| &node.entry) else {
                recorded.absent.insert(path);
                continue;
            };
            let made = path.ends_with(".pyc") || path == self.path(&format!("{}/RECORD", self.info.0));
            if !made {
                let promised = hash.strip_prefix("sha256=").and_then(|hash| BASE64.decode(hash).ok());
                let is = there.hashes.map(|hashes| hashes.sha256.to_vec());
                if there.kind != Kind::File || promised.is_none() || promised != is {
                    return Err(changed(&path, "is not what its RECORD says"));
                }
            }
            if path.starts_with(&inside) {
                recorded.files.insert(path);
            } else {
                recorded.elsewhere.push(text.trim().to_owned());
            }
        }
        Ok(recorded)
    }

    /// What Python has made of modules that go, or are replaced.
    fn compiled(&self, files: &BTreeSet<String>) -> Vec<String> {
        let mut all = Vec::new();
        for path in files.iter().filter(|path| path.ends_with(".py")) {
            let Some((folder, name)) = path.rsplit_once('/') else { continue };
            let begins = format!("{folder}/__pycache__/{}.", name.trim_end_matches(".py"));
            let cache = format!("{folder}/__pycache__");
            let made = self.tree.under(&cache).map(|(path, _)| path);
            all.extend(
                made.filter(|made| made.starts_with(&begins) && made.ends_with(".pyc")).map(str::to_owned),
            );
        }
        all
    }
}

fn line(file: &str, bytes: &[u8]) -> String {
    format!("{},sha256={},{}", quoted(file), BASE64.encode(Hasher::of(bytes).sha256), bytes.len())
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// One line of comma-separated values, as Python's `csv` writes them.
fn fields(line: &str) -> Vec<String> {
    let (mut all, mut field, mut inside) = (Vec::new(), String::new(), false);
    let mut chars = line.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if inside && chars.peek() == Some(&'"') => field.push(chars.next().unwrap_or(c)),
            '"' => inside = !inside,
            ',' if !inside => all.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    all.push(field);
    all
}

/// The scripts that `entry_points.txt` names (PyPA, "Entry points specification"), each without white space.
pub(super) fn scripts(text: &[u8]) -> BTreeMap<String, BTreeSet<String>> {
    let text = String::from_utf8_lossy(text);
    let (mut all, mut section) = (BTreeMap::<String, BTreeSet<String>>::new(), String::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(name) => name.trim().clone_into(&mut section),
            None if matches!(section.as_str(), "console_scripts" | "gui_scripts") => {
                let line = line.chars().filter(|c| !c.is_whitespace()).collect();
                all.entry(section.clone()).or_default().insert(line);
            }
            None => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_are_written() {
        assert_eq!(fields("a/b.py,sha256=x,12"), ["a/b.py", "sha256=x", "12"]);
        assert_eq!(fields("\"a,\"\"b\"\".py\",,"), ["a,\"b\".py", "", ""]);
        assert_eq!(fields(&quoted("a,\"b\"")), ["a,\"b\""]);
        assert!(line("a.py", b"").starts_with("a.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0"));
    }

    #[test]
    fn scripts_are_compared_and_plugins_are_not() {
        let old = b"[console_scripts]\na = b:c\n\n[plugins]\nx = y\n";
        let new = b"[plugins]\nz = y\n[console_scripts]\na=b:c\n";
        assert_eq!(scripts(old), scripts(new));
        assert_ne!(scripts(old), scripts(b"[console_scripts]\na = b:d\n"));
    }
}
