//! Lock files beside a folder of modules: what they say of an upgraded module is what is there afterwards (npm docs,
//! "package-lock.json").

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::modules::Package;
use crate::{
    executor::native::{
        extend::Additions,
        layer::{Content, Laid},
    },
    tree::{Hasher, Tree},
};

/// Lock files of an image by path, as they will be.
#[derive(Default)]
pub(super) struct Locks {
    all: BTreeMap<String, Lock>,
}

struct Lock {
    document: Value,
    indent: String,
    ends_line: bool,
    touched: bool,
}

/// A module that went up.
pub(super) struct Moved<'a> {
    pub(super) root: &'a str,
    pub(super) from: &'a str,
    pub(super) new: &'a Package,
    pub(super) integrity: &'a str,
}

/// Paths of the lock files that may name a module in this folder.
pub(super) fn beside(root: &str) -> Vec<String> {
    let Some((base, _)) = split(root) else { return Vec::new() };
    let below = |path: &str| if base.is_empty() { path.to_owned() } else { format!("{base}/{path}") };
    vec![below("node_modules/.package-lock.json"), below("package-lock.json"), below("npm-shrinkwrap.json")]
}

/// The folder that holds the outermost folder of modules, and the module from there.
fn split(root: &str) -> Option<(&str, &str)> {
    let at = format!("/{root}").find("/node_modules/")?;
    Some((root.get(..at.saturating_sub(1)).unwrap_or_default(), root.get(at..)?))
}

impl Locks {
    /// What is no JSON object is left as it is.
    pub(super) fn of(contents: BTreeMap<String, Vec<u8>>) -> Self {
        let lock = |(path, bytes): (String, Vec<u8>)| {
            let document: Value = serde_json::from_slice(&bytes).ok()?;
            document.as_object()?;
            let text = String::from_utf8(bytes).ok()?;
            let second = text.lines().nth(1).unwrap_or_default();
            let indent = second[..second.len() - second.trim_start().len()].to_owned();
            Some((path, Lock { document, indent, ends_line: text.ends_with('\n'), touched: false }))
        };
        Self { all: contents.into_iter().filter_map(lock).collect() }
    }

    /// Writes a module's new version into every lock file that has it in its old one.
    pub(super) fn take(&mut self, moved: &Moved<'_>) {
        let Some((_, key)) = split(moved.root) else { return };
        let names: Vec<&str> =
            key.split("node_modules/").skip(1).map(|name| name.trim_end_matches('/')).collect();
        let paths: BTreeSet<String> = beside(moved.root).into_iter().collect();
        for (_, lock) in self.all.iter_mut().filter(|(path, _)| paths.contains(*path)) {
            let by_path = lock.document.get_mut("packages").and_then(|all| all.get_mut(key));
            if let Some(entry) = by_path.and_then(Value::as_object_mut) {
                lock.touched |= moved.write(entry, "dependencies");
            }
            let mut nested = Some(&mut lock.document);
            for name in &names {
                nested = nested.and_then(|at| at.get_mut("dependencies")).and_then(|all| all.get_mut(*name));
            }
            if let Some(entry) = nested.and_then(Value::as_object_mut) {
                lock.touched |= moved.write(entry, "requires");
            }
        }
    }

    /// Those that say something else now.
    pub(super) fn additions(&self, tree: &Tree) -> Additions {
        let mut additions = Additions::default();
        for (path, lock) in self.all.iter().filter(|(_, lock)| lock.touched) {
            let Some((there, bytes)) = tree.get(path).map(|node| &node.entry).zip(lock.bytes()) else {
                continue;
            };
            additions.expected.insert(path.clone(), Hasher::of(&bytes).sha256);
            let laid = Laid {
                content: Content::Bytes(bytes),
                mode: there.mode,
                uid: there.uid,
                gid: there.gid,
                mtime: there.mtime,
                xattrs: there.xattrs.clone(),
            };
            additions.entries.insert(path.clone(), laid);
        }
        additions
    }
}

impl Lock {
    /// As npm writes it, with the indentation that it had.
    fn bytes(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        if self.indent.is_empty() {
            bytes = serde_json::to_vec(&self.document).ok()?;
        } else {
            let pretty = serde_json::ser::PrettyFormatter::with_indent(self.indent.as_bytes());
            let mut out = serde_json::Serializer::with_formatter(&mut bytes, pretty);
            serde::Serialize::serialize(&self.document, &mut out).ok()?;
        }
        if self.ends_line {
            bytes.push(b'\n');
        }
        Some(bytes)
    }
}

impl Moved<'_> {
    /// Whether it was the old version's entry. `dependencies`: where the form has what a package asks for.
    fn write(&self, entry: &mut Map<String, Value>, dependencies: &str) -> bool {
        if entry.get("version").and_then(Value::as_str) != Some(self.from) {
            return false;
        }
        entry.insert("version".to_owned(), json!(self.new.version));
        // The address keeps its shape: that of a mirror of ours is no business of the image.
        let (old, new) = (format!("-{}.tgz", self.from), format!("-{}.tgz", self.new.version));
        let moved = entry.get("resolved").and_then(Value::as_str).and_then(|resolved| {
            let begun = resolved.split(['#', '?']).next()?.strip_suffix(&old)?;
            Some(format!("{begun}{new}"))
        });
        match moved {
            Some(resolved) => entry.insert("resolved".to_owned(), json!(resolved)),
            None => entry.shift_remove("resolved"),
        };
        entry.insert("integrity".to_owned(), json!(self.integrity));
        for (key, asked) in [(dependencies, &self.new.dependencies), ("peerDependencies", &self.new.peers)] {
            match asked.is_empty() {
                true => entry.shift_remove(key),
                // Nobody writes what peers ask for into the older form.
                false if key == "peerDependencies" && dependencies == "requires" => None,
                false => entry.insert(key.to_owned(), json!(asked)),
            };
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_from_the_outermost_folder_of_modules() {
        assert_eq!(split("app/node_modules/a"), Some(("app", "node_modules/a")));
        assert_eq!(split("node_modules/a"), Some(("", "node_modules/a")));
        let deep = "srv/app/node_modules/a/node_modules/@s/b";
        assert_eq!(split(deep), Some(("srv/app", "node_modules/a/node_modules/@s/b")));
        assert_eq!(split("app/a"), None);
    }

    #[test]
    fn both_forms_are_written_and_all_else_stays() {
        let text = r#"{
    "name": "shop",
    "lockfileVersion": 2,
    "packages": {
        "node_modules/a": {
            "version": "1.0.0",
            "resolved": "https://npm.example/a/-/a-1.0.0.tgz",
            "integrity": "sha512-old",
            "license": "MIT"
        }
    },
    "dependencies": {
        "a": {
            "version": "1.0.0",
            "resolved": "https://npm.example/a/-/a-1.0.0.tgz",
            "integrity": "sha512-old",
            "requires": {
                "b": "^1"
            }
        }
    }
}
"#;
        let new = Package::read(br#"{"name": "a", "version": "1.0.1"}"#).unwrap();
        let mut locks = Locks::of(BTreeMap::from([("app/package-lock.json".to_owned(), text.into())]));
        let moved = Moved { root: "app/node_modules/a", from: "1.0.0", new: &new, integrity: "sha512-new" };
        locks.take(&moved);
        let expected = text
            .replace("1.0.0", "1.0.1")
            .replace("sha512-old", "sha512-new")
            .replace(",\n            \"requires\": {\n                \"b\": \"^1\"\n            }", "");
        let lock = &locks.all["app/package-lock.json"];
        assert_eq!(String::from_utf8(lock.bytes().unwrap()).unwrap(), expected);
        assert!(lock.touched);
        let mut other = Locks::of(BTreeMap::from([("app/package-lock.json".to_owned(), text.into())]));
        other.take(&Moved { from: "0.9.0", ..moved });
        assert!(!other.all["app/package-lock.json"].touched, "it names another version");
    }
}
