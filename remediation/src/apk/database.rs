//! What apk has installed, as the merged tree's database tells it, with every byte that an upgrade must keep
//! (apk-v2(5), "INSTALLED DATABASE V2").

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    Checksum, Dependency, Keys,
    index::{fields, is_word},
    limits,
};
use crate::{
    Error, Result,
    tree::{Entry, Kind, Tree},
};

/// A folder of the database; apk 3 on a merged `/usr` has the second.
const PLACES: [&str; 2] = ["lib/apk/db", "usr/lib/apk/db"];

/// One file or link that a package shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipped {
    /// Without the leading `/`.
    pub path: String,
    /// `Z`; none: nobody said.
    pub checksum: Option<Checksum>,
    /// Owner, group and mode of `a`; none: root's, and 0644 of a file.
    pub owner: Option<(u64, u64, u32)>,
}

/// One folder that a package shipped: path, and owner, group and mode of `M`.
pub type Folder = (String, Option<(u64, u64, u32)>);

/// One installed package.
#[derive(Debug, Clone)]
pub struct Installed {
    /// `P`
    pub name: String,
    /// `V`
    pub version: String,
    /// `A`
    pub architecture: String,
    /// `o`, else the name.
    pub origin: String,
    /// `C` as written: scripts and triggers name the package by it.
    pub build: String,
    /// `D`
    pub depends: Vec<Dependency>,
    /// `p`
    pub provides: Vec<Dependency>,
    /// `r`: packages whose files it may take over.
    pub replaces: Vec<Dependency>,
    /// `q`
    pub replaces_priority: u64,
    /// `s`: the tag of the repository that it came from.
    pub tag: Option<String>,
    /// `f`: what went wrong when it was installed (`f` files, `s` script), and `S`: sums are cut SHA-256s.
    pub flags: String,
    /// `R`, in order.
    pub files: Vec<Shipped>,
    /// `F`, in order.
    pub folders: Vec<Folder>,
    /// Where its record stands in the text.
    pub span: Range<usize>,
}

impl Installed {
    /// Its checksum, read.
    pub fn checksum(&self) -> Option<Checksum> {
        Checksum::parse(&self.build)
    }
    /// Whether a file's content is what was shipped; none: nobody can say.
    pub fn has_shipped(&self, shipped: &Shipped, entry: &Entry) -> Option<bool> {
        let checksum = shipped.checksum?;
        if let (Kind::Symlink, Some(target)) = (entry.kind, entry.link.as_deref()) {
            return Some(checksum.is_of(target.as_bytes()));
        }
        checksum.is(&entry.hashes?)
    }
}

/// How changed files of a folder are dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Replaced.
    None,
    /// What was changed stays, and the new one comes beside it as `.apk-new`.
    Changed,
    /// The same for links alone.
    Links,
    /// Everything stays.
    All,
}

/// The whole database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its folder: `lib/apk/db`.
    pub folder: &'static str,
    /// `installed` as it stands.
    pub text: String,
    /// By name.
    pub packages: BTreeMap<String, Installed>,
    /// `triggers`: checksum as written, folders.
    pub triggers: Vec<(String, Vec<String>)>,
    /// `etc/apk/world`.
    pub world: Vec<Dependency>,
    /// apk's name of the architecture.
    pub architecture: String,
    protected: Vec<(String, Protection)>,
}

impl Database {
    /// Where a tree has one; none: nowhere.
    pub fn place(tree: &Tree) -> Option<&'static str> {
        PLACES.into_iter().find(|folder| tree.get(&tree.real(&format!("{folder}/installed"))).is_some())
    }

    /// Reads it; none: there is no apk database. `architecture`: what the platform says, where `etc/apk/arch` does not.
    pub fn read(tree: &Tree, architecture: Option<&str>) -> Result<Option<Self>> {
        let Some(folder) = Self::place(tree) else { return Ok(None) };
        let path = format!("{folder}/installed");
        let malformed = |reason: &str| Error::Malformed { file: path.clone(), reason: reason.to_owned() };
        let bytes = tree.content(&path).ok_or_else(|| malformed("it is too large"))?;
        if bytes.starts_with(b"ADB") {
            return Err(Error::Format { file: path, format: "apk 3's ADB" });
        }
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| malformed("it is no UTF-8"))?;
        let said = tree.text("etc/apk/arch").map(|text| text.trim().to_owned());
        let architecture =
            said.filter(|said| is_word(said)).or(architecture.map(str::to_owned)).ok_or_else(|| {
                Error::UnsupportedSystem {
                    system: "the image's platform".into(),
                    reason: "apk has no architecture of that name".into(),
                }
            })?;
        let world = Dependency::parse_all("etc/apk/world", &tree.text("etc/apk/world").unwrap_or_default())?;
        let mut database = Self {
            folder,
            packages: BTreeMap::new(),
            triggers: triggers(&tree.text(&format!("{folder}/triggers")).unwrap_or_default()),
            world,
            architecture,
            protected: protected(tree),
            text: String::new(),
        };
        let mut at = 0;
        for stanza in text.split_inclusive("\n\n") {
            let span = at..at + stanza.len();
            at = span.end;
            if stanza.trim().is_empty() {
                continue;
            }
            if database.packages.len() >= limits::PACKAGES {
                return Err(malformed("it has too many packages"));
            }
            if let Some(package) = record(&path, stanza, span)? {
                database.packages.insert(package.name.clone(), package);
            }
        }
        database.text = text;
        Ok(Some(database))
    }

    /// Real paths (links followed) of all files that packages other than `except` own.
    pub fn owned_except(&self, tree: &Tree, except: &BTreeSet<String>) -> BTreeSet<String> {
        let others = self.packages.values().filter(|package| !except.contains(&package.name));
        others
            .flat_map(|package| {
                let files = package.files.iter().map(|file| tree.through(&file.path).into_owned());
                let folders = package.folders.iter().filter(|(path, _)| !path.is_empty());
                files.chain(folders.map(|(path, _)| tree.real(path).into_owned()))
            })
            .collect()
    }

    /// How changed files under a path are dealt with: the last rule that names it or a folder above it.
    pub fn protection(&self, path: &str) -> Protection {
        let named = |rule: &str| {
            let mut parts = path.split('/');
            rule.split('/').all(|pattern| parts.next().is_some_and(|part| glob(pattern, part)))
        };
        let rule = self.protected.iter().rev().find(|(rule, _)| named(rule));
        rule.map_or(Protection::None, |(_, protection)| *protection)
    }

    /// Keys that a package of the image brought and nobody has changed since.
    pub fn keys(&self, tree: &Tree) -> Keys {
        let mut as_shipped = BTreeSet::new();
        for package in self.packages.values() {
            for file in package.files.iter().filter(|file| file.path.ends_with(".pub")) {
                let path = tree.through(&file.path).into_owned();
                let there = tree.get(&path).map(|node| package.has_shipped(file, &node.entry));
                if there == Some(Some(true)) {
                    as_shipped.insert(path);
                }
            }
        }
        let mut keys = Keys::default();
        for path in as_shipped.iter().filter(|path| path.starts_with("etc/apk/keys/")) {
            // A link counts with what it leads to.
            let real = tree.real(path);
            let pem = tree.get(&real).and_then(|node| node.content.as_deref());
            if let (Some(pem), Some((_, name)), true) =
                (pem, path.rsplit_once('/'), as_shipped.contains(real.as_ref()))
            {
                keys.add(name, pem);
            }
        }
        keys
    }
}

/// One record; none: it has no version, and apk takes it for no package either.
fn record(file: &str, stanza: &str, span: Range<usize>) -> Result<Option<Installed>> {
    let malformed = |reason: &str| {
        let line: String = stanza.lines().next().unwrap_or_default().chars().take(80).collect();
        Error::Malformed { file: file.to_owned(), reason: format!("the record of {line} {reason}") }
    };
    let mut package = Installed {
        name: String::new(),
        version: String::new(),
        architecture: String::new(),
        origin: String::new(),
        build: String::new(),
        depends: Vec::new(),
        provides: Vec::new(),
        replaces: Vec::new(),
        replaces_priority: 0,
        tag: None,
        flags: String::new(),
        files: Vec::new(),
        folders: Vec::new(),
        span,
    };
    let mut folder = "";
    for field in fields(stanza.trim_matches('\n')) {
        let (letter, value) = field.ok_or_else(|| malformed("has a line that is no field"))?;
        match letter {
            'P' => package.name = value.to_owned(),
            'V' => package.version = value.to_owned(),
            'A' => package.architecture = value.to_owned(),
            'o' => package.origin = value.to_owned(),
            'C' => package.build = value.to_owned(),
            'D' => package.depends = Dependency::parse_all(file, value)?,
            'p' => package.provides = Dependency::parse_all(file, value)?,
            'r' => package.replaces = Dependency::parse_all(file, value)?,
            'q' => package.replaces_priority = value.parse().unwrap_or(0),
            's' => package.tag = Some(value.trim_start_matches('@').to_owned()),
            'f' => package.flags = value.to_owned(),
            'F' => {
                folder = value.trim_matches('/');
                package.folders.push((folder.to_owned(), None));
            }
            'M' => {
                if let Some(last) = package.folders.last_mut() {
                    last.1 = owner(value);
                }
            }
            'R' => {
                let path = if folder.is_empty() { value.to_owned() } else { format!("{folder}/{value}") };
                if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
                    return Err(malformed("has a file with no usable path"));
                }
                package.files.push(Shipped { path, checksum: None, owner: None });
            }
            'a' => {
                if let Some(last) = package.files.last_mut() {
                    last.owner = owner(value);
                }
            }
            'Z' => {
                if let Some(last) = package.files.last_mut() {
                    // The flag stands before all files.
                    last.checksum = match Checksum::parse(value) {
                        Some(Checksum::Sha1(cut)) if package.flags.contains('S') => Some(Checksum::Cut(cut)),
                        other => other,
                    };
                }
            }
            _ => {}
        }
    }
    if package.name.is_empty() || package.version.is_empty() {
        return Ok(None);
    }
    if package.origin.is_empty() {
        package.origin.clone_from(&package.name);
    }
    Ok(Some(package))
}

/// `0:42:640`, and what may follow of extended attributes.
fn owner(value: &str) -> Option<(u64, u64, u32)> {
    let mut parts = value.split(':');
    let uid = parts.next()?.parse().ok()?;
    let gid = parts.next()?.parse().ok()?;
    Some((uid, gid, u32::from_str_radix(parts.next()?, 8).ok()?))
}

fn triggers(text: &str) -> Vec<(String, Vec<String>)> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let build = words.next()?.to_owned();
            Some((build, words.map(str::to_owned).collect()))
        })
        .take(limits::PACKAGES)
        .collect()
}

/// apk's own rules, then those of `protected_paths.d`, as (pattern, protection): `+` changed files, `@` links, `!` all,
/// `-` none.
fn protected(tree: &Tree) -> Vec<(String, Protection)> {
    let mut rules: Vec<(String, Protection)> = vec![
        ("etc".to_owned(), Protection::Changed),
        ("etc/init.d".to_owned(), Protection::Links),
        ("etc/apk".to_owned(), Protection::All),
    ];
    for folder in ["lib/apk/protected_paths.d", "etc/apk/protected_paths.d"] {
        let files = tree.under(folder).map(|(path, _)| path).filter(|path| path.ends_with(".list"));
        for text in files.filter_map(|path| tree.text(path)) {
            for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
            {
                let (protection, path) = match line.split_at_checked(1) {
                    Some(("-", path)) => (Protection::None, path),
                    Some(("+", path)) => (Protection::Changed, path),
                    Some(("@", path)) => (Protection::Links, path),
                    Some(("!", path)) => (Protection::All, path),
                    _ => (Protection::Changed, line),
                };
                if rules.len() < limits::PACKAGES {
                    rules.push((path.trim_matches('/').to_owned(), protection));
                }
            }
        }
    }
    rules
}

/// One part of a path against a pattern with `*` and `?`, in time linear in their product.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(one) if *one == b'?' || *one == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    t = from + 1;
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_what_an_upgrade_needs() {
        let text = "C:Q1x=\nP:a\nV:1-r0\nA:x86_64\nD:so:b.so.1 !c\np:cmd:a=1-r0\nr:old\nq:7\ns:edge\nf:S\n\
            F:\nR:init\nF:usr/bin\nM:0:0:1777\nR:a\na:0:42:4755\nZ:Q1pcfTfDNEbNKQc2s1tia7da05M8Q=\n\n";
        let package = record("db", text, 0..text.len()).expect("parses").expect("a package");
        assert_eq!((package.origin.as_str(), package.tag.as_deref()), ("a", Some("edge")));
        assert_eq!((package.replaces_priority, package.flags.as_str()), (7, "S"));
        assert_eq!(package.folders[1], ("usr/bin".to_owned(), Some((0, 0, 0o1777))));
        assert_eq!(package.files[1].owner, Some((0, 42, 0o4755)));
        assert!(package.files[1].checksum.is_some());
        assert!(record("db", "P:a\nV:1\nF:x\nR:../y\n", 0..1).is_err());
        assert!(record("db", "P:a\nrubbish\n", 0..1).is_err());
        assert!(record("db", "P:a\n", 0..1).expect("parses").is_none());
    }

    #[test]
    fn a_links_checksum_is_its_targets() {
        let shipped = Shipped {
            path: "bin/sh".into(),
            checksum: Checksum::parse("Q1pcfTfDNEbNKQc2s1tia7da05M8Q="),
            owner: None,
        };
        let text = "P:busybox\nV:1\n";
        let package = record("db", text, 0..text.len()).expect("parses").expect("a package");
        let link = |target: &str| Entry {
            kind: Kind::Symlink,
            mode: 0o777,
            uid: 0,
            gid: 0,
            mtime: 0,
            size: 0,
            link: Some(target.into()),
            hashes: None,
            elf: false,
            xattrs: Vec::new(),
        };
        assert_eq!(package.has_shipped(&shipped, &link("/bin/busybox")), Some(true));
        assert_eq!(package.has_shipped(&shipped, &link("/bin/dash")), Some(false));
    }

    #[test]
    fn globs() {
        assert!(glob("*", "") && glob("a*c", "abbc") && glob("a?c", "abc") && glob("**a", "bba"));
        assert!(!glob("a*c", "abcd") && !glob("", "a") && !glob("?", ""));
        assert!(!glob(&"*a".repeat(50), &"a".repeat(49)));
    }
}
