//! What lies where in a file of images.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read, Seek as _, SeekFrom},
    path::Path,
};

use serde::Deserialize;
use sha2::Digest as _;

use crate::{
    Descriptor, Digest, Error, Manifest, RawManifest, Result, layout::durable, model, model::MAX_PARTS,
};

/// Entries of the file; a layer has three in the oldest form.
const ENTRIES: usize = 100_000;
/// Bytes of all names in it.
const NAMES: usize = 16 << 20;
/// Bytes of `manifest.json`, and of a configuration.
const DOCUMENT: u64 = 4 << 20;
/// How many links lead to a layer, at most: images share layers by them.
const LINKS: usize = 4;
/// How much is hashed at once.
const CHUNK: usize = 1 << 20;

/// A part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) length: u64,
}

/// One image, as a manifest of our own making and where its blobs lie.
pub(super) struct Image {
    pub(super) manifest: RawManifest,
    pub(super) blobs: BTreeMap<Digest, Span>,
}

/// An image in `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

enum Place {
    File(Span),
    Link(String),
}

struct Index {
    name: String,
    file: File,
    places: HashMap<String, Place>,
}

/// Finds an image and hashes its parts; `name` is what messages call the file. Blocks.
pub(super) fn read(path: &Path, name: &str, wanted: &str) -> Result<Image> {
    let mut index = Index::of(path, name)?;
    let saved = index.document("manifest.json")?;
    let saved: Vec<Saved> =
        serde_json::from_slice(&saved).map_err(|e| index.invalid(format!("its manifest.json: {e}")))?;
    let saved = index.choose(saved, wanted)?;
    if saved.layers.len() > MAX_PARTS {
        return Err(index.invalid(format!("it has more than {MAX_PARTS} layers")));
    }
    let mut blobs = BTreeMap::new();
    let config = index.blob(&saved.config, &mut blobs, |_| model::OCI_CONFIG)?;
    if config.size > DOCUMENT {
        return Err(index.invalid(format!("its configuration is larger than {DOCUMENT} bytes")));
    }
    let layers = saved.layers.iter().map(|name| index.blob(name, &mut blobs, packing));
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(model::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config,
        layers: layers.collect::<Result<_>>()?,
        subject: None,
        annotations: BTreeMap::new(),
    };
    let bytes = serde_json::to_vec(&manifest).map_err(|e| index.invalid(e.to_string()))?;
    Ok(Image { manifest: RawManifest::new(model::OCI_MANIFEST, bytes), blobs })
}

/// How a layer is packed, by its first bytes.
fn packing(magic: &[u8]) -> &'static str {
    if magic.starts_with(&[0x1f, 0x8b]) {
        model::OCI_LAYER_GZIP
    } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        model::OCI_LAYER_ZSTD
    } else {
        model::OCI_LAYER_TAR
    }
}

impl Index {
    /// One walk over the headers; contents are skipped.
    fn of(path: &Path, name: &str) -> Result<Self> {
        let failed = || Error::io(format!("read {name}"));
        let file = durable::open_regular(path).map_err(failed())?;
        let mut archive = tar::Archive::new(file.try_clone().map_err(failed())?);
        let mut index = Self { name: name.to_owned(), file, places: HashMap::new() };
        let mut names = 0;
        for entry in archive.entries_with_seek().map_err(failed())? {
            let entry = entry.map_err(|e| index.invalid(format!("it is no archive of images: {e}")))?;
            let name = normal(&entry.path_bytes());
            names += name.len();
            if index.places.len() >= ENTRIES || names > NAMES {
                return Err(index.invalid(format!("it has more than {ENTRIES} entries, or too long names")));
            }
            let kind = entry.header().entry_type();
            let place = if kind.is_file() {
                Place::File(Span { start: entry.raw_file_position(), length: entry.size() })
            } else if kind.is_symlink() || kind.is_hard_link() {
                let target = entry.link_name_bytes().unwrap_or_default();
                let base = if kind.is_symlink() {
                    name.rsplit_once('/').map_or("", |(folder, _)| folder)
                } else {
                    ""
                };
                Place::Link(joined(base, &String::from_utf8_lossy(&target)))
            } else {
                continue;
            };
            index.places.insert(name, place);
        }
        Ok(index)
    }

    fn invalid(&self, reason: impl Into<String>) -> Error {
        Error::invalid(self.name.clone(), reason)
    }

    fn span(&self, name: &str) -> Result<Span> {
        let mut name = normal(name.as_bytes());
        for _ in 0..=LINKS {
            match self.places.get(&name) {
                Some(Place::File(span)) => return Ok(*span),
                Some(Place::Link(target)) => name.clone_from(target),
                None => break,
            }
        }
        Err(self.invalid(format!("it has no {}", shown(&name))))
    }

    fn part(&mut self, span: Span) -> io::Result<io::Take<&mut File>> {
        self.file.seek(SeekFrom::Start(span.start))?;
        Ok((&mut self.file).take(span.length))
    }

    fn document(&mut self, name: &str) -> Result<Vec<u8>> {
        let span = self.span(name)?;
        if span.length > DOCUMENT {
            return Err(self.invalid(format!("its {name} is larger than {DOCUMENT} bytes")));
        }
        let mut bytes = Vec::new();
        let read = self.part(span).and_then(|mut part| part.read_to_end(&mut bytes));
        read.map_err(Error::io(format!("read {}", self.name)))?;
        Ok(bytes)
    }

    fn choose(&self, saved: Vec<Saved>, wanted: &str) -> Result<Saved> {
        let tags = |one: &Saved| one.repo_tags.clone().unwrap_or_default();
        let held: Vec<String> = saved.iter().flat_map(tags).take(20).map(|tag| shown(&tag)).collect();
        let count = saved.len();
        let mut fitting =
            saved.into_iter().filter(|one| wanted.is_empty() || tags(one).iter().any(|t| t == wanted));
        match (fitting.next(), fitting.next()) {
            (Some(one), None) => Ok(one),
            (None, _) if !wanted.is_empty() => Err(Error::NotFound {
                what: format!("image {} (there are: {})", shown(wanted), held.join(", ")),
                repository: self.name.clone(),
            }),
            (None, _) => Err(self.invalid("it has no image")),
            _ => Err(self.invalid(format!("it has {count} images, name one of: {}", held.join(", ")))),
        }
    }

    /// Hashes a part; the same one twice is the same blob.
    fn blob(
        &mut self,
        name: &str,
        blobs: &mut BTreeMap<Digest, Span>,
        media_type: impl Fn(&[u8]) -> &'static str,
    ) -> Result<Descriptor> {
        let span = self.span(name)?;
        let failed = Error::io(format!("read {}", self.name));
        let mut hash = sha2::Sha256::new();
        let (mut buffer, mut magic, mut length) = (vec![0; CHUNK], Vec::new(), 0);
        let mut read = || -> io::Result<()> {
            let mut part = self.part(span)?;
            loop {
                let count = part.read(&mut buffer)?;
                if count == 0 {
                    return Ok(());
                }
                if magic.len() < 4 {
                    magic.extend_from_slice(&buffer[..count.min(4)]);
                }
                length += count as u64;
                hash.update(&buffer[..count]);
            }
        };
        read().map_err(failed)?;
        if length != span.length {
            return Err(self.invalid(format!("it is truncated: {} ends after {length} bytes", shown(name))));
        }
        let digest = Digest::from_sha256(&hash.finalize());
        blobs.insert(digest.clone(), span);
        Ok(Descriptor {
            media_type: media_type(&magic).to_owned(),
            digest,
            size: span.length,
            platform: None,
            artifact_type: None,
            annotations: BTreeMap::new(),
        })
    }
}

/// Without `./`, doubled slashes and `..`: names of parts, nothing that is ever opened on the disk.
fn normal(name: &[u8]) -> String {
    joined("", &String::from_utf8_lossy(name))
}

fn joined(base: &str, name: &str) -> String {
    let mut parts: Vec<&str> = base.split('/').collect();
    for part in name.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}

/// A stranger's text in a message: short, and without controls.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
