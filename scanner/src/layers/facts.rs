//! What one layer says about packages, kept so that it is never read twice.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    io::Read,
    sync::LazyLock,
};

use patchline_registry::{Descriptor, Digest, Repository};
use serde::{Deserialize, Serialize};
use zstd::zstd_safe;

use super::{Entry, Kind, Stop, Visitor, docs, paths::Paths};
use crate::{
    Result,
    languages::{self, File, Found},
    licenses,
    limits::{self, Layer, Limits},
    packages::{
        apk,
        dpkg::{self, ParseError},
        listed::{self, Listed},
        os_release::OTHER_FILES,
        rpm,
    },
};

/// Of what is read here; the analysers of languages have versions of their own.
const VERSION: &str = "patchline-layer/7";

/// Names and versions of all analysers, and limits where they are not the usual ones, as one name: facts that others
/// left, or that came to be within other bounds, are not used.
pub(crate) fn analysers() -> Cow<'static, str> {
    static ALL: LazyLock<String> = LazyLock::new(|| {
        let each = languages::ANALYSERS.iter().map(|a| format!("{}/{}\n", a.name(), a.version()));
        let digest = Digest::of(each.collect::<String>().as_bytes());
        format!("{VERSION} {}", digest.short())
    });
    let limits = limits::get().of_layers();
    if limits == Limits::default().of_layers() {
        return Cow::Borrowed(&ALL);
    }
    let digest = Digest::of(format!("{limits:?}").as_bytes());
    Cow::Owned(format!("{} {}", *ALL, digest.short()))
}

/// dpkg's own database.
pub(crate) const DPKG_STATUS: &str = "var/lib/dpkg/status";
/// Distroless images: one file a package.
pub(crate) const DPKG_STATUS_D: &str = "var/lib/dpkg/status.d/";
/// Which files each package owns.
const DPKG_INFO: &str = "var/lib/dpkg/info/";
pub(crate) const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];
/// apk's: where it was, and where apk-tools 3 has it.
pub(crate) const APK: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];
/// rpm's, in the order in which they are believed: newer forms before older ones, which an upgrade may leave behind.
pub(crate) const RPM: [&str; 10] = [
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
    "var/lib/rpm/rpmdb.sqlite",
    "usr/share/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/Packages.db",
    "var/lib/rpm/Packages.db",
    "usr/share/rpm/Packages.db",
    "usr/lib/sysimage/rpm/Packages",
    "var/lib/rpm/Packages",
    "usr/share/rpm/Packages",
    "var/lib/rpmmanifest/container-manifest-2",
];

/// Where a layer of Windows has the files of its volume; its registry lies beside it, in `Hives/`.
pub(crate) const WINDOWS_FILES: &str = "Files/";

/// What a wanted path is in one layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fact {
    /// A package database.
    Packages(Vec<Listed>),
    /// A package database that cannot be parsed.
    Broken(Broken),
    /// A small file's text.
    Text(String),
    /// What a package's copyright file says.
    Licenses(Vec<String>),
    /// Packages of languages that one file tells of.
    Components(Found),
    /// A file of this name could tell of packages and cannot be read: why.
    Unreadable(String),
    /// Files that a package owns, of those that analysers read.
    Owned(Paths),
    /// A link to another path, normalised.
    Link(String),
    /// There, and not read: of another kind, or not understood yet.
    Present,
}

/// Where a database stops to make sense, and why: `line 3: has no colon`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Broken(pub(crate) String);

/// All facts of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Computed from the bytes: a config's claim is held against it.
    pub(crate) diff_id: Digest,
    /// Wanted paths.
    pub(crate) files: BTreeMap<String, Fact>,
    /// Files that tell of nothing and are of such names that a lower layer's may have: they stand in its place.
    pub(crate) silent: Paths,
    /// Paths that hide lower layers' files of that path and below it.
    pub(crate) hidden: BTreeSet<String>,
    /// Directories whose lower content is hidden; empty text: the root.
    pub(crate) opaque: BTreeSet<String>,
}

impl Facts {
    /// Of a layer that nobody could read.
    pub(crate) fn empty(diff_id: Digest) -> Self {
        Self {
            diff_id,
            files: BTreeMap::new(),
            silent: Paths::default(),
            hidden: BTreeSet::new(),
            opaque: BTreeSet::new(),
        }
    }
    /// JSON as one frame of zstd, whose header has its size.
    pub(crate) fn encode(&self) -> std::io::Result<Vec<u8>> {
        zstd::bulk::compress(&serde_json::to_vec(self)?, 3)
    }
    /// None: not what we wrote; then the layer is read again.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let size = zstd_safe::get_frame_content_size(bytes).ok()??;
        let size = usize::try_from(size).ok().filter(|_| size <= limits::facts().unpacked)?;
        serde_json::from_slice(&zstd::bulk::decompress(bytes, size).ok()?).ok()
    }
}

/// Reads one layer.
pub(crate) async fn read(
    repository: &dyn Repository,
    layer: &Descriptor,
    limits: Layer,
    beside: Option<super::Beside>,
) -> Result<Facts> {
    let (diff_id, collector) = super::walk(repository, layer, limits, beside, Collector::default()).await?;
    Ok(collector.finish(diff_id))
}

/// Reads one layer from what its decompressor would give: for the workbench, which has no registry.
#[cfg(any(test, feature = "workbench"))]
pub(crate) fn of_tar(tar: &[u8], limits: Layer) -> std::result::Result<Facts, Stop> {
    let mut collector = Collector::default();
    super::archive::walk(tar, limits, &mut collector)?;
    Ok(collector.finish(Digest::of(tar)))
}

/// Small files that name the distribution.
fn texts() -> impl Iterator<Item = &'static str> {
    OS_RELEASE.into_iter().chain(OTHER_FILES.map(|(path, _)| path))
}

/// The databases and texts that are read, by their whole path.
fn named() -> impl Iterator<Item = &'static str> {
    [DPKG_STATUS].into_iter().chain(texts()).chain(APK).chain(RPM)
}

fn wanted(path: &str) -> bool {
    status_d(path) || named().any(|p| p == path)
}

/// `info/<package>.list`, `info/<package>:<architecture>.list`: the package.
pub(crate) fn lister(path: &str) -> Option<&str> {
    let file = path.strip_prefix(DPKG_INFO)?.strip_suffix(".list").filter(|name| !name.contains('/'))?;
    Some(file.split(':').next().unwrap_or(file))
}

/// `status.d/<package>`, not its `.md5sums`.
fn status_d(path: &str) -> bool {
    path.strip_prefix(DPKG_STATUS_D)
        .is_some_and(|name| !name.is_empty() && !name.contains('/') && !name.ends_with(".md5sums"))
}

/// Windows tells programs by their names, and its layers have no execute bits: `Files/app/a.exe`.
fn is_windows_program(path: &str) -> bool {
    let ending = |name: &str| name.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case("exe"));
    path.strip_prefix(WINDOWS_FILES).is_some_and(ending)
}

/// Whether hiding this path, or what is below it, could hide a wanted one.
fn concerns(path: &str) -> bool {
    let above = |wanted: &str| wanted.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
    path.is_empty() || wanted(path) || docs::concerns(path) || above(DPKG_STATUS_D) || named().any(above)
}

/// Collects the facts of one layer, or of a folder in its place.
#[derive(Default)]
pub(crate) struct Collector {
    files: BTreeMap<String, Fact>,
    silent: BTreeSet<String>,
    hidden: BTreeSet<String>,
    opaque: BTreeSet<String>,
    read: u64,
    docs: docs::Budget,
    components: usize,
    remembered: usize,
}

impl Collector {
    pub(crate) fn finish(mut self, diff_id: Digest) -> Facts {
        self.resolve_hard_links();
        let silent = self.silent.iter().map(String::as_str).collect();
        Facts { diff_id, files: self.files, silent, hidden: self.hidden, opaque: self.opaque }
    }

    /// Whatever was understood of a file: it could not be read to its end.
    pub(crate) fn unread(&mut self, path: String) {
        self.files.insert(path, Fact::Present);
    }

    /// A hard link's content stands in the same archive, when it is a wanted file itself.
    fn resolve_hard_links(&mut self) {
        let links = self.files.iter().filter_map(|(path, fact)| match fact {
            Fact::Link(target) => Some((path.clone(), self.files.get(target)?.clone())),
            _ => None,
        });
        let found: Vec<_> = links.filter(|(_, fact)| !matches!(fact, Fact::Link(_))).collect();
        self.files.extend(found);
    }

    /// A copyright file, or a package's folder that is a link to another's; none: neither.
    fn docs(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<Option<Fact>, Stop> {
        let folder = entry.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let (file, link) = (docs::is_copyright(&entry.path), docs::is_folder(&entry.path));
        Ok(match &entry.kind {
            Kind::File if file && self.docs.take(entry.size) => {
                let mut bytes = Vec::with_capacity(usize::try_from(entry.size).unwrap_or(0).min(1 << 20));
                content.read_to_end(&mut bytes)?;
                Some(self.docs.keep(licenses::of_copyright_file(&bytes)))
            }
            Kind::Symlink(target) if (file || link) && self.docs.take(0) => {
                Some(Fact::Link(absolute(folder, target)))
            }
            Kind::Hardlink(target) if file && self.docs.take(0) => Some(Fact::Link(target.clone())),
            // What is there and not read still hides what a lower layer had.
            Kind::File | Kind::Hardlink(_) | Kind::Symlink(_) if file => Some(Fact::Present),
            _ => None,
        })
    }

    fn read(&mut self, path: &str, size: u64, content: &mut dyn Read) -> Result<Fact, Stop> {
        let text_file = texts().any(|p| p == path);
        let limit = if text_file { limits::facts().small_file } else { limits::facts().file };
        if size > limit {
            return Err(Stop::Limit("the size of a package database or os-release", limit));
        }
        self.read += size;
        if self.read > limits::facts().files {
            return Err(Stop::Limit("the size of all package databases in a layer", limits::facts().files));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).min(1 << 20));
        content.read_to_end(&mut bytes)?;
        if text_file {
            return Ok(Fact::Text(String::from_utf8_lossy(&bytes).into_owned()));
        }
        Ok(listed(path, &bytes).map_or_else(Fact::Broken, Fact::Packages))
    }

    /// What a file tells of packages of languages; none: it is not read.
    fn component(&mut self, entry: &Entry, content: &mut dyn Read) -> Option<Fact> {
        let executable = entry.mode & 0o111 != 0 || is_windows_program(&entry.path);
        let file = File { path: &entry.path, size: entry.size, executable };
        let Some(analyser) = languages::analyser(&file) else {
            // One that is of no interest any more still hides what a lower layer had.
            return listed::is_of_interest(&entry.path).then_some(Fact::Present);
        };
        let fact = match analyser.read(&file, content) {
            Ok(found) if found.components.is_empty() && found.incomplete.is_empty() => {
                return Some(Fact::Present);
            }
            Ok(found) if self.components + found.components.len() > limits::facts().components => {
                let cut =
                    format!("a layer with more than {} packages of languages", limits::facts().components);
                Fact::Components(Found { incomplete: vec![cut], ..Found::default() })
            }
            Ok(found) => {
                self.components += found.components.len();
                Fact::Components(found)
            }
            Err(unreadable) if self.remembered < limits::facts().remembered => {
                Fact::Unreadable(unreadable.reason)
            }
            Err(_) => return Some(Fact::Present),
        };
        self.remembered += 1;
        Some(fact)
    }

    /// The last of a name is the one that counts, in an archive as over layers.
    fn place(&mut self, path: &str, fact: Fact) {
        if fact == Fact::Present {
            self.files.remove(path);
            self.silent.insert(path.to_owned());
        } else {
            self.files.insert(path.to_owned(), fact);
        }
    }

    /// The files of one package, as far as they are read by anybody else.
    fn owned(&mut self, size: u64, content: &mut dyn Read) -> Result<Fact, Stop> {
        if size > limits::facts().list {
            return Err(Stop::Limit("the size of a list of files", limits::facts().list));
        }
        let mut text = Vec::new();
        content.read_to_end(&mut text)?;
        let lines = text.split(|b| *b == b'\n').filter_map(|line| line.strip_prefix(b"/"));
        let paths = lines.filter_map(|line| std::str::from_utf8(line).ok());
        let left = limits::facts().remembered.saturating_sub(self.remembered);
        let owned: Paths = paths
            .filter(|path| listed::is_of_interest(path))
            .take(left)
            .inspect(|_| self.remembered += 1)
            .collect();
        Ok(if owned.is_empty() { Fact::Present } else { Fact::Owned(owned) })
    }
}

impl Visitor for Collector {
    fn entry(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), Stop> {
        let (folder, name) = entry.path.rsplit_once('/').unwrap_or(("", &entry.path));
        if name == ".wh..wh..opq" {
            self.opaque.insert(folder.to_owned());
            return Ok(());
        }
        if let Some(hidden) = name.strip_prefix(".wh.") {
            let path = if folder.is_empty() { hidden.to_owned() } else { format!("{folder}/{hidden}") };
            // `.wh..wh.` names belong to the union file systems of old and hide nothing. Neither does `.wh.` alone, which
            // names nothing: at the root it would take away all that is below.
            if !hidden.is_empty() && !hidden.starts_with(".wh.") {
                self.hidden.insert(path);
            }
            return Ok(());
        }
        if let Some(fact) = self.docs(entry, content)? {
            if entry.kind != Kind::Directory && docs::is_folder(&entry.path) {
                self.hidden.insert(entry.path.clone());
            }
            self.files.insert(entry.path.clone(), fact);
            return Ok(());
        }
        if lister(&entry.path).is_some() && entry.kind == Kind::File {
            let fact = self.owned(entry.size, content)?;
            self.place(&entry.path, fact);
            return Ok(());
        }
        if !wanted(&entry.path) {
            if entry.kind == Kind::File
                && let Some(fact) = self.component(entry, content)
            {
                self.place(&entry.path, fact);
            }
            // Where a directory was, a link takes all of it away. A plain file does, too; but to remember all of
            // them for a case that no builder makes would be most of a layer.
            let replaces = entry.kind != Kind::File || concerns(&entry.path);
            if entry.kind != Kind::Directory && !entry.path.is_empty() && replaces {
                self.hidden.insert(entry.path.clone());
            }
            return Ok(());
        }
        let fact = match &entry.kind {
            Kind::File => self.read(&entry.path, entry.size, content)?,
            Kind::Symlink(target) => Fact::Link(absolute(folder, target)),
            Kind::Hardlink(target) => Fact::Link(target.clone()),
            Kind::Directory | Kind::Other => Fact::Present,
        };
        self.files.insert(entry.path.clone(), fact);
        Ok(())
    }
}

/// The packages of a database, by the form that its place tells.
fn listed(path: &str, bytes: &[u8]) -> Result<Vec<Listed>, Broken> {
    if let Some(form) = rpm::Form::of_path(path) {
        let found = rpm::installed(bytes, form).map_err(|e| Broken(e.to_string()))?;
        // Keys that rpm trusts lie among the packages.
        return Ok(found.into_iter().filter(|p| p.name != "gpg-pubkey").map(Listed::from).collect());
    }
    let said = |e: ParseError| Broken(format!("line {}: {}", e.line, e.reason));
    if APK.contains(&path) {
        return Ok(apk::installed(bytes).map_err(said)?.into_iter().map(Listed::from).collect());
    }
    let found = dpkg::installed(bytes, path == DPKG_STATUS).map_err(said)?;
    Ok(found.into_iter().map(Listed::from).collect())
}

/// A link's target from the root; `..` at the root stays there, as the kernel has it.
fn absolute(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in target.split('/').filter(|p| !p.is_empty() && *p != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.retain(|p| !p.is_empty());
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_resolve_like_the_kernel_does() {
        assert_eq!(absolute("etc", "../usr/lib/os-release"), "usr/lib/os-release");
        assert_eq!(absolute("etc", "/usr/./lib//os-release"), "usr/lib/os-release");
        assert_eq!(absolute("etc", "../../../x"), "x");
    }

    #[test]
    fn only_what_matters_is_remembered() {
        assert!(concerns("var/lib") && concerns("") && concerns("var/lib/dpkg/status.d"));
        assert!(concerns("var/lib/dpkg/status.d/libc6") && concerns("etc/os-release"));
        assert!(!concerns("var/lib/dpkg/info") && !concerns("va") && !concerns("etc/os-release.d"));
        assert!(!wanted("var/lib/dpkg/status.d/libc6.md5sums"));
    }

    #[test]
    fn facts_come_back() {
        let facts = Facts {
            diff_id: Digest::of(b""),
            files: [("a".to_owned(), Fact::Text("x".into())), ("b".to_owned(), Fact::Present)].into(),
            silent: ["usr/bin/x"].into_iter().collect(),
            hidden: ["var".to_owned()].into(),
            opaque: [String::new()].into(),
        };
        let bytes = facts.encode().expect("encodes");
        assert_eq!(Facts::decode(&bytes), Some(facts));
        assert_eq!(Facts::decode(b"rot"), None);
    }
}
