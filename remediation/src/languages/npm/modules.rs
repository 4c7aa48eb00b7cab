//! The packages that lie in an image's folders of modules, and which of them asks for which (Node.js, "Loading from
//! node_modules folders").

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::semver::{Range, Version};
use crate::{
    Error, Result,
    languages::{Question, blocked, limits},
    plan::Blocked,
    tree::{Kind, Tree},
};

const MODULES: &str = "node_modules";

/// What is read of a `package.json`.
#[derive(Debug, Clone, Default)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) dependencies: BTreeMap<String, String>,
    pub(super) peers: BTreeMap<String, String>,
    optional: BTreeMap<String, String>,
    develop: BTreeMap<String, String>,
    /// `overrides` of npm and `resolutions` of yarn.
    overrides: BTreeMap<String, String>,
    optional_peers: BTreeSet<String>,
    pub(super) bundles: bool,
    bundled: BTreeSet<String>,
    /// Why files of it are made when it is installed.
    pub(super) builds: Option<&'static str>,
    /// What else depends on it outside of its folder: programs, platforms, engines.
    interface: Vec<(&'static str, Value)>,
}

impl Package {
    /// None: it is no JSON object.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let document: Value = serde_json::from_slice(bytes).ok()?;
        document.as_object()?;
        let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
        let map = |value: &Value| -> BTreeMap<String, String> {
            let pairs = value.as_object().into_iter().flatten();
            pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
        };
        let bundles = ["bundleDependencies", "bundledDependencies"].map(|key| &document[key]);
        let bundled = bundles.iter().filter_map(|value| value.as_array()).flatten();
        let dependencies = map(&document["dependencies"]);
        let mut bundled: BTreeSet<String> =
            bundled.filter_map(|name| name.as_str().map(str::to_owned)).collect();
        if bundles.iter().any(|value| **value == Value::Bool(true)) {
            bundled.extend(dependencies.keys().cloned());
        }
        let scripts = ["preinstall", "install", "postinstall"];
        let builds = scripts.into_iter().find(|name| document["scripts"][*name].is_string());
        let builds = builds.or_else(|| (document["gypfile"] == Value::Bool(true)).then_some("gypfile"));
        let optional_peers = document["peerDependenciesMeta"].as_object().into_iter().flatten();
        let mut overrides = map(&document["resolutions"]);
        overrides.extend(map(&document["overrides"]));
        let name = text("name");
        Some(Self {
            version: text("version"),
            peers: map(&document["peerDependencies"]),
            optional: map(&document["optionalDependencies"]),
            develop: map(&document["devDependencies"]),
            optional_peers: optional_peers
                .filter(|(_, about)| about["optional"] == Value::Bool(true))
                .map(|(name, _)| name.clone())
                .collect(),
            bundles: !bundled.is_empty(),
            bundled,
            builds,
            interface: ["bin", "os", "cpu", "libc", "engines", "directories"]
                .map(|key| (key, document[key].clone()))
                .to_vec(),
            dependencies,
            overrides,
            name,
        })
    }

    /// The first thing that others see of it and that is not as it was.
    pub(super) fn differs(&self, newer: &Self) -> Option<&'static str> {
        let pairs = self.interface.iter().zip(&newer.interface);
        pairs.filter(|(old, new)| old.1 != new.1).map(|(old, _)| old.0).next()
    }

    /// Every range that it has for another package. `app`: it is no package that something else has brought.
    fn asks_for(&self, name: &str, app: bool) -> impl Iterator<Item = &String> {
        let develop = self.develop.get(name).filter(|_| app);
        let maps = [&self.dependencies, &self.peers, &self.optional];
        maps.into_iter().filter_map(move |map| map.get(name)).chain(develop)
    }
}

/// All packages of an image by their folders, as they will be: what goes up stands here as it will.
pub(super) struct Modules {
    by_root: BTreeMap<String, Package>,
    /// `package.json` of packages that may go up, as it stands.
    raw: BTreeMap<String, Vec<u8>>,
}

impl Modules {
    pub(super) async fn read(question: &Question<'_>, keep: &BTreeSet<String>) -> Result<Self> {
        let files: BTreeSet<String> = question
            .tree
            .under("")
            .filter(|(path, node)| node.entry.kind == Kind::File && root(path).is_some())
            .map(|(path, _)| path.to_owned())
            .collect();
        if files.len() > limits::FILES_OF_IMAGE {
            return Err(Error::Malformed {
                file: "the image".to_owned(),
                reason: format!("it has more than {} packages of npm", limits::FILES_OF_IMAGE),
            });
        }
        let (mut by_root, mut raw) = (BTreeMap::new(), BTreeMap::new());
        for (path, bytes) in question.read(&files).await? {
            let (Some(root), Some(package)) = (root(&path), Package::read(&bytes)) else { continue };
            by_root.insert(root.to_owned(), package);
            if keep.contains(&path) {
                raw.insert(path, bytes);
            }
        }
        Ok(Self { by_root, raw })
    }

    pub(super) fn get(&self, root: &str) -> Option<&Package> {
        self.by_root.get(root)
    }
    pub(super) fn raw(&self, path: &str) -> Option<&[u8]> {
        self.raw.get(path).map(Vec::as_slice)
    }
    /// From now on it is another one.
    pub(super) fn replace(&mut self, root: &str, package: Package) {
        self.by_root.insert(root.to_owned(), package);
    }

    /// The folder of the package that code in `from` means by a name.
    fn resolve(&self, tree: &Tree, from: &str, name: &str) -> Option<&str> {
        let mut folder = Some(from);
        while let Some(at) = folder {
            if at != MODULES && !at.ends_with("/node_modules") {
                let path = below(at, &format!("{MODULES}/{name}/package.json"));
                let real = tree.real(&path);
                let found = real.strip_suffix("/package.json").and_then(|at| self.by_root.get_key_value(at));
                if let Some((found, _)) = found {
                    return Some(found);
                }
            }
            folder = (!at.is_empty()).then(|| at.rsplit_once('/').map_or("", |(above, _)| above));
        }
        None
    }

    /// Whether a package around a folder has brought this one in its own archive.
    pub(super) fn bundler(&self, root: &str, name: &str) -> Option<&Package> {
        let mut at = root;
        while let Some((outer, _)) = at.rsplit_once("/node_modules/") {
            let package = self.by_root.get(outer);
            if let Some(found) = package.filter(|package| package.bundled.contains(name) || package.bundles) {
                return Some(found);
            }
            at = outer;
        }
        None
    }

    /// Why another version cannot stand in a folder: who asks for another one, or what it asks for itself.
    pub(super) fn against(&self, tree: &Tree, root: &str, new: &Package) -> Option<Blocked> {
        let version = Version::read(&new.version)?;
        for (asker, package) in &self.by_root {
            let app = !asker.contains(MODULES);
            let mut ranges = package.asks_for(&new.name, app).peekable();
            let overridden =
                package.overrides.get(&new.name).filter(|_| app && root.starts_with(asker.as_str()));
            let meant = ranges.peek().is_some() && self.resolve(tree, asker, &new.name) == Some(root);
            let ranges: Vec<&String> = ranges.filter(|_| meant).chain(overridden).collect();
            for range in ranges {
                if !Range::read(range).is_some_and(|range| range.takes(&version)) {
                    let reason = format!(
                        "/{} asks for {} {:.80}, which leaves {version} out",
                        below(asker, "package.json"),
                        new.name,
                        range,
                    );
                    return Some(blocked("required-otherwise", reason, None));
                }
            }
        }
        self.unsatisfied(tree, root, new)
    }

    /// What a new version asks for and would not find.
    fn unsatisfied(&self, tree: &Tree, root: &str, new: &Package) -> Option<Blocked> {
        let old = self.by_root.get(root)?;
        let all = [
            (&new.dependencies, &old.dependencies),
            (&new.peers, &old.peers),
            (&new.optional, &old.optional),
        ];
        for (at, (asked, before)) in all.into_iter().enumerate() {
            for (name, range) in asked.iter().filter(|(name, range)| before.get(*name) != Some(*range)) {
                let there = self.resolve(tree, root, name).and_then(|found| self.by_root.get(found));
                let may_be_absent = at == 2
                    || new.optional.contains_key(name)
                    || at == 1 && (new.optional_peers.contains(name) || before.contains_key(name));
                let fits = match there.map(|package| Version::read(&package.version)) {
                    None => may_be_absent,
                    Some(version) => {
                        version.zip(Range::read(range)).is_some_and(|(version, range)| range.takes(&version))
                    }
                };
                if !fits {
                    let found = match there {
                        Some(package) => format!("{} is there", package.version),
                        None => "none is there".to_owned(),
                    };
                    let reason =
                        format!("{} {} asks for {name} {range:.80}, and {found}", new.name, new.version);
                    return Some(blocked("new-dependency", reason, None));
                }
            }
        }
        None
    }
}

fn below(folder: &str, path: &str) -> String {
    if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
}

/// The folder of the package or application that a `package.json` is of; none: it is one inside of a package, or none.
fn root(path: &str) -> Option<&str> {
    let folder = if path == "package.json" { "" } else { path.strip_suffix("/package.json")? };
    let inside = format!("/{folder}");
    match inside.rsplit_once("/node_modules/") {
        None => (!inside.ends_with("/node_modules")).then_some(folder),
        Some((_, name)) => is_name(name).then_some(folder),
    }
}

/// `name` or `@scope/name`.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |name: &str| !name.is_empty() && !name.contains('/') && !name.starts_with(['.', '@']);
    match name.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| plain(scope) && plain(name)),
        None => plain(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_where_node_would_find_it() {
        for (path, expected) in [
            ("app/node_modules/a/package.json", Some("app/node_modules/a")),
            ("app/node_modules/@s/a/package.json", Some("app/node_modules/@s/a")),
            ("app/node_modules/a/node_modules/b/package.json", Some("app/node_modules/a/node_modules/b")),
            ("app/node_modules/a/dist/esm/package.json", None),
            ("app/package.json", Some("app")),
            ("package.json", Some("")),
            ("app/node_modules/package.json", None),
            ("app/package.json5", None),
        ] {
            assert_eq!(root(path), expected, "{path}");
        }
    }
}
