//! The files of a package, as its header has them.

use patchline_scanner::packages::rpm::header::Header;

use super::{caps, info::SHA256, limits};

/// `RPMFILE_*` flags that count here.
mod flag {
    pub(super) const CONFIG: u64 = 1;
    pub(super) const DOC: u64 = 1 << 1;
    pub(super) const GHOST: u64 = 1 << 6;
}

mod tag {
    pub(super) const SIZES: u32 = 1028;
    pub(super) const MODES: u32 = 1030;
    pub(super) const MTIMES: u32 = 1034;
    pub(super) const DIGESTS: u32 = 1035;
    pub(super) const LINKS: u32 = 1036;
    pub(super) const FLAGS: u32 = 1037;
    pub(super) const LANGUAGES: u32 = 1097;
    pub(super) const USERS: u32 = 1039;
    pub(super) const GROUPS: u32 = 1040;
    pub(super) const DEVICES: u32 = 1095;
    pub(super) const INODES: u32 = 1096;
    pub(super) const DIR_INDEXES: u32 = 1116;
    pub(super) const BASE_NAMES: u32 = 1117;
    pub(super) const DIR_NAMES: u32 = 1118;
    pub(super) const LONG_SIZES: u32 = 5008;
    pub(super) const CAPS: u32 = 5010;
    pub(super) const DIGEST_ALGORITHM: u32 = 5011;
}

/// One file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Without the leading `/`.
    pub path: String,
    /// Type and permission bits.
    pub mode: u32,
    /// Owner by name.
    pub user: String,
    /// Group by name.
    pub group: String,
    /// Seconds since the epoch.
    pub mtime: u64,
    /// Bytes of content.
    pub size: u64,
    /// Of content; none: it has none, or the header names it by another digest and it was not read yet.
    pub sha256: Option<[u8; 32]>,
    /// Where a link points, as written.
    pub link: String,
    /// Extended attributes: capabilities.
    pub xattrs: Vec<(String, Vec<u8>)>,
    /// Device and inode of a file with several names.
    pub(super) shared: Option<(u64, u64)>,
    flags: u64,
    /// `de`, `fr|it`; of a file that only speakers of it want.
    language: bool,
}

impl File {
    /// A file with content.
    pub fn is_regular(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }
    /// A folder.
    pub fn is_folder(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
    /// A symbolic link.
    pub fn is_link(&self) -> bool {
        self.mode & 0o170_000 == 0o120_000
    }
    /// `%config`
    pub fn is_config(&self) -> bool {
        self.flags & flag::CONFIG != 0
    }
    /// `%doc`, manual pages among them.
    pub fn is_documentation(&self) -> bool {
        self.flags & flag::DOC != 0
    }
    /// `%lang(de)`: installed where the image wants that language.
    pub fn is_of_language(&self) -> bool {
        self.language
    }
    /// `%ghost`: owned, and not shipped.
    pub fn is_ghost(&self) -> bool {
        self.flags & flag::GHOST != 0
    }
}

/// `./usr/bin/env`, `/usr/bin/env` → `usr/bin/env`; none: it climbs, names nothing, or is no text.
pub(super) fn normalise(path: &[u8]) -> Option<String> {
    let path = std::str::from_utf8(path).ok()?;
    let path = path.strip_prefix('.').filter(|rest| rest.starts_with('/')).unwrap_or(path);
    crate::deb::archive::normalise(path.trim_start_matches('/').as_bytes()).filter(|path| !path.is_empty())
}

/// All of them in their order.
pub(super) fn read(header: &Header<'_>) -> Result<Vec<File>, String> {
    let said = |reason: &str| format!("it {reason}");
    let texts = |tag| header.texts(tag, limits::FILES).map(Option::unwrap_or_default).map_err(said);
    let numbers = |tag| header.integers(tag, limits::FILES).map_err(said);
    let names = texts(tag::BASE_NAMES)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let (folders, indexes) = (texts(tag::DIR_NAMES)?, numbers(tag::DIR_INDEXES)?.unwrap_or_default());
    let all = |tag| Ok::<_, String>(numbers(tag)?.unwrap_or_default());
    let sizes = match numbers(tag::LONG_SIZES)? {
        Some(sizes) => sizes,
        None => all(tag::SIZES)?,
    };
    let (modes, mtimes, flags) = (all(tag::MODES)?, all(tag::MTIMES)?, all(tag::FLAGS)?);
    let (users, groups) = (texts(tag::USERS)?, texts(tag::GROUPS)?);
    let (digests, links, caps) = (texts(tag::DIGESTS)?, texts(tag::LINKS)?, texts(tag::CAPS)?);
    let languages = texts(tag::LANGUAGES)?;
    let (devices, inodes) = (all(tag::DEVICES)?, all(tag::INODES)?);
    let algorithm = numbers(tag::DIGEST_ALGORITHM)?.and_then(|all| all.first().copied());
    let lengths =
        [indexes.len(), sizes.len(), modes.len(), mtimes.len(), flags.len(), devices.len(), inodes.len()];
    let texts = [users.len(), groups.len(), digests.len(), links.len()];
    if lengths.iter().chain(&texts).any(|length| *length != names.len())
        || !(caps.is_empty() || caps.len() == names.len())
    {
        return Err("its list of files is torn".to_owned());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut seen = std::collections::BTreeMap::<(u64, u64), usize>::new();
    for (device, inode) in devices.iter().zip(&inodes) {
        *seen.entry((*device, *inode)).or_default() += 1;
    }
    let (mut files, mut length) = (Vec::with_capacity(names.len()), 0);
    for (at, name) in names.iter().enumerate() {
        let folder = usize::try_from(indexes[at]).ok().and_then(|index| folders.get(index));
        let whole = [*folder.ok_or("a file of it is in no folder")?, name].concat();
        let path = normalise(&whole).ok_or_else(|| {
            format!("its path {} is none", text(&whole).chars().take(120).collect::<String>())
        })?;
        length += path.len() + links[at].len();
        if length > limits::PATHS || links[at].len() > limits::PATH {
            return Err("its paths are too long together".to_owned());
        }
        let mode = u32::try_from(modes[at] & 0xffff).unwrap_or_default();
        let sha256 = (algorithm == Some(SHA256) && mode & 0o170_000 == 0o100_000).then(|| {
            let mut digest = [0; 32];
            hex::decode_to_slice(digests[at], &mut digest).ok().map(|()| digest)
        });
        let xattrs = match caps.get(at).map(|caps| text(caps)).filter(|caps| !caps.is_empty()) {
            None => Vec::new(),
            Some(caps) => {
                let bytes =
                    caps::attribute(&caps).ok_or_else(|| format!("its capabilities {caps} are not known"))?;
                vec![(caps::NAME.to_owned(), bytes)]
            }
        };
        let inode = (devices[at], inodes[at]);
        files.push(File {
            path,
            mode,
            user: text(users[at]),
            group: text(groups[at]),
            mtime: mtimes[at],
            size: sizes[at],
            sha256: sha256.flatten(),
            link: text(links[at]),
            xattrs,
            shared: (seen[&inode] > 1).then_some(inode),
            flags: flags[at],
            language: languages.get(at).is_some_and(|language| !language.is_empty()),
        });
    }
    let mut paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    paths.sort_unstable();
    if let Some(twice) = paths.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("/{} is in it twice", twice[0]));
    }
    Ok(files)
}
