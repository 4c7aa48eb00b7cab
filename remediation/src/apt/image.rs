//! The repositories that an image names for itself, beside its distribution's archives.
//!
//! An image's own files are hints: they say which repositories, and never which host is asked. A host is one that a person
//! has configured. Keys that an image names for a repository vouch for that repository and for that image alone, and only
//! where no person has configured others.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use url::Url;

use super::{
    home::Base,
    keyring::Keyring,
    listed::{self, Architectures, Listed},
    sources::Mirrors,
};
use crate::{
    Error, Result, mirrored,
    tree::{self, Kind, Tree, contents::Bounds},
};

/// Files that list repositories.
const FILES: usize = 256;
/// Bytes of one of them, and of one file of keys: a distribution's own have some ten kilobytes.
const FILE: u64 = 1 << 20;
/// Bytes of all that is read for it.
const ALL: u64 = 16 << 20;
/// Suites that are asked for one image.
const SOURCES: usize = 64;
/// Parts of one suite.
const COMPONENTS: usize = 32;
/// Files of keys and fingerprints of one suite.
const KEYS: usize = 16;
/// How addresses of distributions' own archives end.
const OWN: &[&str] = &["/debian", "/debian-security", "/ubuntu", "/ubuntu-ports"];
/// Where files of keys lie by custom: they are read along with the lists.
const FOLDERS: &[&str] = &["etc/apt/keyrings", "usr/share/keyrings", "etc/apt/trusted.gpg.d"];

/// What an image names, as far as it is mirrored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    pub(super) asked: Vec<Asked>,
    /// What is not asked, with the reason.
    pub(crate) unused: Vec<String>,
}

/// One suite of a repository.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Host, path and suite as the image names them.
    pub(super) shown: String,
    pub(super) base: Base,
    pub(super) suite: Place,
    pub(super) architectures: Architectures,
    keys: Keys,
}

/// Where a suite lies beneath the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Under `dists`, with components.
    Suite(String, Vec<String>),
    /// A folder that has it all; empty: the repository itself.
    Folder(String),
}

impl Place {
    /// Where its release lies.
    pub(super) fn under(&self) -> String {
        match self {
            Self::Suite(name, _) => format!("dists/{name}"),
            Self::Folder(folder) => folder.clone(),
        }
    }
    /// The name that its release must not contradict.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Suite(name, _) => Some(name),
            Self::Folder(_) => None,
        }
    }
    /// Its indexes for an architecture.
    pub(super) fn indexes(&self, architecture: &str) -> Vec<String> {
        match self {
            Self::Suite(_, components) => {
                let of = |component| format!("{component}/binary-{architecture}/Packages");
                components.iter().map(of).collect()
            }
            Self::Folder(_) => vec!["Packages".to_owned()],
        }
    }
}

/// What the image says of who vouches for a suite.
#[derive(Debug, Clone, Default)]
struct Keys {
    /// Texts and files, as they are.
    held: Vec<Arc<Vec<u8>>>,
    /// Fingerprints; empty: every key counts.
    prints: Vec<String>,
    /// Files in the image, by their real paths.
    files: Vec<String>,
    /// What of it cannot be read.
    lacking: Vec<String>,
}

impl Asked {
    /// The keys that count for it: those that a person has configured, else those that the image names.
    ///
    /// # Errors
    /// None does: for people.
    pub(super) fn keyring(&self, configured: &[std::path::PathBuf]) -> Result<Keyring> {
        let keyring = match configured {
            [] => self.keys.own().map_err(|reason| Error::Untrusted { suite: self.shown.clone(), reason })?,
            files => Keyring::load(files)?,
        };
        Ok(if self.keys.prints.is_empty() { keyring } else { keyring.limited(&self.keys.prints) })
    }
}

impl Keys {
    /// From `Signed-By`.
    fn named(text: &str, tree: &Tree) -> Self {
        let mut keys = Self::default();
        if text.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
            // A block stands in a stanza: blank lines are written as dots.
            let lines = text.lines().map(str::trim).map(|line| if line == "." { "" } else { line });
            keys.held.push(Arc::new(lines.collect::<Vec<_>>().join("\n").into_bytes()));
            return keys;
        }
        for word in text.split([',', ' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()) {
            let print = word.strip_suffix('!').unwrap_or(word);
            if keys.files.len() + keys.prints.len() + keys.lacking.len() >= KEYS {
                break;
            }
            if word.starts_with('/') {
                let path = tree.real(&tree::join("", word)).into_owned();
                if !keys.files.contains(&path) {
                    keys.files.push(path);
                }
            } else if matches!(print.len(), 40 | 64) && print.bytes().all(|b| b.is_ascii_hexdigit()) {
                keys.prints.push(word.to_owned());
            } else {
                keys.lacking.push(cleaned(word));
            }
        }
        keys
    }

    fn own(&self) -> Result<Keyring, String> {
        let mut keyring = Keyring::default();
        for bytes in &self.held {
            keyring.add(bytes).map_err(|reason| format!("of the image's key for it: {reason}"))?;
        }
        if !keyring.keys.is_empty() {
            return Ok(keyring);
        }
        Err(match self.lacking.first() {
            Some(lacking) => format!("the image names {lacking} for it, where no key is: name one with --keyring"),
            None => "no key counts for it: the image brings none for it (Signed-By), and none is named with --keyring"
                .to_owned(),
        })
    }
}

/// Files of an image by path, as far as they fit.
type Read = BTreeMap<String, Vec<u8>>;

/// Reads files of an image.
#[async_trait::async_trait]
pub(crate) trait Reader: Sync {
    /// Their contents, by path; what is no file is left out.
    async fn read(&self, paths: &BTreeSet<String>, bounds: Bounds) -> Result<Read>;
}

impl Sources {
    /// What an image's merged tree lists that these mirrors cover. Where no mirror is configured, nothing is read.
    ///
    /// # Errors
    /// The image's layers cannot be read.
    pub(crate) async fn of(mirrors: &Mirrors, tree: &Tree, reader: &dyn Reader) -> Result<Self> {
        let mut sources = Self::default();
        if mirrors.others.is_empty() {
            return Ok(sources);
        }
        let lists = lists(tree);
        let custom = FOLDERS.iter().flat_map(|folder| beneath(tree, folder)).collect();
        let mut left = ALL;
        let first = fitting(tree, lists.iter().map(|(_, path)| path.clone()).collect(), &mut left);
        sources.unused.extend(
            lists
                .iter()
                .filter(|(_, path)| !first.contains(path))
                .map(|(name, _)| format!("{} is longer than {} MiB", cleaned(name), FILE >> 20)),
        );
        let wanted = first.union(&fitting(tree, custom, &mut left)).cloned().collect();
        let bounds = Bounds { one: FILE, all: ALL };
        let mut read = reader.read(&wanted, bounds).await?;
        let texts: Vec<(String, String)> = lists
            .into_iter()
            .filter_map(|(name, path)| Some((name, String::from_utf8_lossy(read.get(&path)?).into_owned())))
            .collect();
        sources.list(mirrors, tree, &texts);
        let named = sources.asked.iter().flat_map(|one| &one.keys.files);
        let elsewhere: BTreeSet<String> = named.filter(|path| !read.contains_key(*path)).cloned().collect();
        let elsewhere = fitting(tree, elsewhere, &mut left);
        if !elsewhere.is_empty() {
            read.extend(reader.read(&elsewhere, bounds).await?);
        }
        // One copy for all that name it.
        let read: BTreeMap<String, Arc<Vec<u8>>> =
            read.into_iter().map(|(path, bytes)| (path, Arc::new(bytes))).collect();
        for keys in sources.asked.iter_mut().map(|one| &mut one.keys) {
            for path in &keys.files {
                match read.get(path) {
                    Some(bytes) => keys.held.push(bytes.clone()),
                    None => keys.lacking.push(cleaned(&format!("/{path}"))),
                }
            }
        }
        Ok(sources)
    }

    fn list(&mut self, mirrors: &Mirrors, tree: &Tree, texts: &[(String, String)]) {
        // What the distribution's own archives are called is read from their mirrors.
        let own = Mirrors::from_sources(texts);
        let own: BTreeSet<String> = [own.debian, own.ubuntu]
            .into_iter()
            .flat_map(|archives| [archives.main, archives.security, archives.ports])
            .flatten()
            .map(|url| named(url.as_str()))
            // Where the image lists none of them, another's `stable main` may have been taken for one.
            .filter(|named| OWN.iter().any(|folder| named.ends_with(folder)))
            .collect();
        let mut known = BTreeSet::new();
        let all = texts.iter().flat_map(|(name, text)| listed::read(name, text));
        for Listed { address: written, suite, terms } in all.take(listed::MOST) {
            let shown = cleaned(&format!("{} {suite}", named(&written)));
            if !known.insert((written.clone(), suite.clone(), terms.clone())) {
                continue;
            }
            let is_own = own.contains(&named(&written));
            let base = match address(&written) {
                Some(address) => mirrors.place(&address),
                None => {
                    self.unused.push(format!("{shown} is at no http address"));
                    continue;
                }
            };
            match (base, place(&suite, &terms.components)) {
                (None, _) if is_own => {}
                (None, _) => self.unused.push(format!("no mirror of {shown} is configured")),
                (Some(_), None) => self.unused.push(format!("{shown} is no suite that can be asked for")),
                (Some(_), Some(_)) if self.asked.len() >= SOURCES => {
                    self.unused.push(format!("{shown} comes after {SOURCES} others"));
                }
                (Some(base), Some(suite)) => self.asked.push(Asked {
                    shown,
                    base: Base::new(base),
                    suite,
                    architectures: terms.architectures.clone(),
                    keys: terms
                        .signed_by
                        .as_deref()
                        .map_or_else(Keys::default, |text| Keys::named(text, tree)),
                }),
            }
        }
        self.unused.truncate(SOURCES);
    }
}

/// An address without what mirrors are not chosen by: `https://packages.example/debian`.
fn address(text: &str) -> Option<String> {
    let mut url =
        Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url.as_str().trim_end_matches('/').to_owned())
}

/// An image's words as they may be shown: short, and nothing that a terminal obeys.
fn cleaned(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(160).collect()
}

/// Host and path, as people know a repository.
fn named(address: &str) -> String {
    mirrored::shown(address).trim_end_matches('/').to_owned()
}

/// Where a suite lies; none: its words would lead elsewhere, or it has no components.
fn place(suite: &str, components: &[String]) -> Option<Place> {
    let path = |text: &str| {
        !text.is_empty()
            && text.len() <= 200
            && text
                .split('/')
                .all(|part| !part.is_empty() && !part.starts_with('.') && mirrored::is_part(part))
    };
    if suite.ends_with('/') {
        let folder = suite.trim_matches('/').trim_start_matches("./");
        let folder = if folder == "." { "" } else { folder };
        let usable = components.is_empty() && (folder.is_empty() || path(folder));
        return usable.then(|| Place::Folder(folder.to_owned()));
    }
    let usable = path(suite)
        && (1..=COMPONENTS).contains(&components.len())
        && components.iter().all(|component| path(component));
    usable.then(|| Place::Suite(suite.to_owned(), components.to_vec()))
}

/// Real paths of files directly in a folder of the image, links followed.
fn beneath(tree: &Tree, folder: &str) -> BTreeSet<String> {
    directly(tree, &tree.real(folder)).take(FILES).map(|path| tree.real(path).into_owned()).collect()
}

/// What stands directly in a folder; the root, which a link may lead to, is none.
fn directly<'t>(tree: &'t Tree, folder: &str) -> impl Iterator<Item = &'t str> {
    let inside = (!folder.is_empty()).then(|| tree.under(folder)).into_iter().flatten();
    let depth = folder.matches('/').count() + 1;
    inside.map(|(path, _)| path).filter(move |path| path.matches('/').count() == depth)
}

/// Files that list repositories: what they are called, and their real paths.
fn lists(tree: &Tree) -> Vec<(String, String)> {
    let parts = tree.real("etc/apt/sources.list.d");
    ["etc/apt/sources.list"]
        .into_iter()
        .chain(directly(tree, &parts))
        .filter(|path| path.ends_with(".list") || path.ends_with(".sources"))
        .take(FILES)
        .map(|path| (path.to_owned(), tree.real(path).into_owned()))
        .filter(|(_, path)| tree.get(path).is_some_and(|node| node.entry.kind == Kind::File))
        .collect()
}

/// Those of these files that are no longer than one may be, until all that may be read is.
fn fitting(tree: &Tree, paths: BTreeSet<String>, left: &mut u64) -> BTreeSet<String> {
    let fits = |path: &String| {
        let Some(node) = tree.get(path).filter(|node| node.entry.kind == Kind::File) else { return false };
        let size = node.entry.size;
        if size > FILE || size > *left {
            return false;
        }
        *left -= size;
        true
    };
    paths.into_iter().filter(fits).collect()
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
