//! One layout directory on disk: its index, its blobs, and the lock for changing them.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::{
    durable,
    entries::{digest_of, enlist, release_tag, tag_of},
};
use crate::{
    Descriptor, Digest, Error, Index, ManifestKind, RawManifest, Result,
    model::{MAX_MANIFEST_BYTES, OCI_INDEX},
};

const MAX_INDEX_BYTES: u64 = 64 * 1024 * 1024;
/// How deep indexes may nest, and how many manifests one look-up may open.
const MAX_DEPTH: usize = 4;
const MAX_FACTS: usize = 50_000;

/// A layout directory. Its methods block; changes hold a lock on the
/// `oci-layout` file, against other processes too.
#[derive(Debug)]
pub(crate) struct LayoutDir {
    root: PathBuf,
    /// What manifests say never changes, so it is read once.
    facts: Mutex<HashMap<Digest, Arc<Facts>>>,
}

#[derive(Debug, Default)]
struct Facts {
    referrer: Option<(Digest, Descriptor)>,
    children: Vec<Descriptor>,
}

impl LayoutDir {
    pub(crate) fn open(root: &Path, create: bool) -> Result<Self> {
        let dir = Self { root: root.to_owned(), facts: Mutex::default() };
        let marker = root.join("oci-layout");
        if !marker.exists() {
            if !create {
                return Err(Error::NotFound { what: "an OCI layout".to_owned(), repository: dir.name() });
            }
            dir.refuse_strangers()?;
            dir.create().map_err(Error::io(format!("create {}", dir.name())))?;
        }
        let text = durable::read_bounded(&marker, 64 * 1024)?;
        let version = serde_json::from_slice::<Value>(&text)
            .ok()
            .and_then(|v| v.get("imageLayoutVersion")?.as_str().map(str::to_owned));
        match version {
            Some(v) if v.starts_with("1.") => Ok(dir),
            _ => Err(Error::invalid(marker.display().to_string(), "not an OCI layout of version 1")),
        }
    }

    /// A new layout never lands in a folder that holds something else.
    fn refuse_strangers(&self) -> Result<()> {
        let Ok(entries) = fs::read_dir(&self.root) else { return Ok(()) };
        for entry in entries {
            let entry = entry.map_err(Error::io(format!("read {}", self.root.display())))?;
            let name = entry.file_name();
            let ours = |n: &str| n == "blobs" || n == "index.json" || n.starts_with(durable::TEMP_PREFIX);
            if !name.to_str().is_some_and(ours) {
                return Err(Error::invalid(self.name(), "the folder holds other things and no OCI layout"));
            }
        }
        Ok(())
    }

    fn create(&self) -> std::io::Result<()> {
        durable::create_dir(&self.root.join("blobs/sha256"))?;
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] });
        if !self.index_path().exists() {
            durable::write(&self.index_path(), index.to_string().as_bytes())?;
        }
        // Last: where it stands, all else stands too.
        durable::write(&self.root.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)
    }

    pub(crate) fn name(&self) -> String {
        format!("oci:{}", self.root.display())
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn blobs_dir(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs_dir().join(digest.hex())
    }

    fn index_path(&self) -> PathBuf {
        self.root.join("index.json")
    }

    /// The size of a blob; none when it is not here.
    pub(crate) fn blob_size(&self, digest: &Digest) -> Result<Option<u64>> {
        match fs::metadata(self.blob_path(digest)) {
            Ok(meta) => Ok(meta.is_file().then_some(meta.len())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io(format!("look for blob {digest}"))(e)),
        }
    }

    /// A file to write a blob into, on the same file system.
    pub(crate) fn begin_blob(&self) -> Result<NamedTempFile> {
        let dir = self.root.join("blobs");
        durable::create_dir(&dir.join("sha256"))
            .and_then(|()| durable::temp_in(&dir))
            .map_err(Error::io("create a blob's file"))
    }

    /// Gives a written and verified blob its name.
    pub(crate) fn commit_blob(&self, temp: NamedTempFile, digest: &Digest) -> Result<()> {
        durable::persist(temp, &self.blob_path(digest)).map_err(Error::io(format!("write blob {digest}")))
    }

    pub(crate) fn index(&self) -> Result<Index> {
        let path = self.index_path();
        let bytes = durable::read_bounded(&path, MAX_INDEX_BYTES)?;
        serde_json::from_slice(&bytes).map_err(|e| Error::invalid(path.display().to_string(), e.to_string()))
    }

    /// Holds off every other change of this layout until dropped.
    pub(crate) fn lock(&self) -> Result<File> {
        let path = self.root.join("oci-layout");
        let failed = || Error::io(format!("lock {}", path.display()));
        let file = File::open(&path).map_err(failed())?;
        file.lock().map_err(failed())?;
        Ok(file)
    }

    /// Reads the index, lets `change` work on its entries, writes it back
    /// when that answers true. What other tools wrote beside stays as it is.
    fn change_index(&self, change: impl FnOnce(&mut Vec<Value>) -> Result<bool>) -> Result<()> {
        let path = self.index_path();
        let bytes = durable::read_bounded(&path, MAX_INDEX_BYTES)?;
        let bad = |why: String| Error::invalid(path.display().to_string(), why);
        let mut index: Value = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        let entries = index.get_mut("manifests").and_then(Value::as_array_mut);
        let entries = entries.ok_or_else(|| bad("no list of manifests".to_owned()))?;
        if change(entries)? {
            durable::write(&path, index.to_string().as_bytes())
                .map_err(Error::io(format!("write {}", path.display())))?;
        }
        Ok(())
    }

    /// Where a digest, a tag or the empty text (the only image) points.
    pub(crate) fn find(&self, reference: &str) -> Result<Option<Descriptor>> {
        let index = self.index()?;
        let found = if reference.is_empty() {
            self.only_image(&index)?
        } else if reference.contains(':') {
            let Ok(digest) = reference.parse::<Digest>() else { return Ok(None) };
            match index.manifests.iter().find(|m| m.digest == digest) {
                Some(top) => Some(top.clone()),
                None => self.find_child(&index.manifests, &digest),
            }
        } else {
            index.manifests.into_iter().find(|m| tag_of(m) == Some(reference))
        };
        Ok(found.map(|d| Descriptor { annotations: Default::default(), ..d }))
    }

    /// Other writers list an index alone, not the images that it holds.
    fn find_child(&self, top: &[Descriptor], wanted: &Digest) -> Option<Descriptor> {
        let mut seen = HashSet::new();
        let mut level: Vec<Descriptor> = top.iter().filter(|d| d.is_index()).cloned().collect();
        for _ in 0..MAX_DEPTH {
            let mut next = Vec::new();
            for index in level.drain(..).filter(|d| seen.insert(d.digest.clone())) {
                for child in &self.facts(&index).children {
                    if child.digest == *wanted {
                        return Some(child.clone());
                    }
                    if child.is_index() {
                        next.push(child.clone());
                    }
                }
            }
            level = next;
        }
        None
    }

    /// The one entry that is no part of another and no referrer.
    fn only_image(&self, index: &Index) -> Result<Option<Descriptor>> {
        let mut parts = HashSet::new();
        let mut tops: Vec<&Descriptor> = Vec::new();
        for entry in &index.manifests {
            let facts = self.facts(entry);
            parts.extend(facts.children.iter().map(|c| c.digest.clone()));
            if facts.referrer.is_none() && !tops.iter().any(|t| t.digest == entry.digest) {
                tops.push(entry);
            }
        }
        tops.retain(|t| !parts.contains(&t.digest));
        if tops.len() > 1 {
            let tagged: Vec<_> = tops.iter().copied().filter(|t| tag_of(t).is_some()).collect();
            if tagged.len() != 1 {
                return Err(Error::invalid(self.name(), "it holds several images: name the tag"));
            }
            tops = tagged;
        }
        Ok(tops.first().copied().cloned())
    }

    fn facts(&self, manifest: &Descriptor) -> Arc<Facts> {
        let cache = || self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = cache().get(&manifest.digest) {
            return known.clone();
        }
        // What cannot be read says nothing here; whoever asks for it by name
        // gets the error.
        let Ok(raw) = self.read_manifest(manifest) else { return Arc::default() };
        let children = match raw.decode() {
            Ok(ManifestKind::Index(index)) => index.manifests,
            _ => Vec::new(),
        };
        let facts = Arc::new(Facts { referrer: raw.referrer().ok().flatten(), children });
        let mut cache = cache();
        if cache.len() >= MAX_FACTS {
            cache.clear();
        }
        cache.insert(manifest.digest.clone(), facts.clone());
        facts
    }

    /// A manifest's bytes, verified.
    pub(crate) fn read_manifest(&self, manifest: &Descriptor) -> Result<RawManifest> {
        let what = || format!("manifest {}", manifest.digest);
        if self.blob_size(&manifest.digest)?.is_none() {
            return Err(Error::NotFound { what: what(), repository: self.name() });
        }
        let bytes = durable::read_bounded(&self.blob_path(&manifest.digest), MAX_MANIFEST_BYTES as u64)?;
        if bytes.len() as u64 != manifest.size {
            let actual = bytes.len() as u64;
            return Err(Error::SizeMismatch { what: what(), expected: manifest.size, actual });
        }
        let raw = RawManifest::new(manifest.media_type.clone(), bytes);
        if raw.digest != manifest.digest {
            let (expected, actual) = (manifest.digest.clone(), raw.digest);
            return Err(Error::DigestMismatch { what: what(), expected, actual });
        }
        Ok(raw)
    }

    /// Stores a manifest whose parts are all here, under a tag or alone.
    pub(crate) fn put_manifest(&self, tag: Option<&str>, manifest: &RawManifest) -> Result<()> {
        let parts = match manifest.decode()? {
            ManifestKind::Image(image) => {
                let mut parts = image.layers;
                parts.push(image.config);
                parts
            }
            ManifestKind::Index(index) => index.manifests,
        };
        let _lock = self.lock()?;
        for part in parts.iter().filter(|p| !p.is_foreign()) {
            let what = format!("blob {}", part.digest);
            match self.blob_size(&part.digest)? {
                None => return Err(Error::NotFound { what, repository: self.name() }),
                Some(size) if size != part.size => {
                    return Err(Error::SizeMismatch { what, expected: part.size, actual: size });
                }
                Some(_) => {}
            }
        }
        if self.blob_size(&manifest.digest)? != Some(manifest.bytes.len() as u64) {
            let mut temp = self.begin_blob()?;
            std::io::Write::write_all(&mut temp, &manifest.bytes)
                .map_err(Error::io(format!("write manifest {}", manifest.digest)))?;
            self.commit_blob(temp, &manifest.digest)?;
        }
        self.change_index(|entries| Ok(enlist(entries, tag, manifest)))
    }

    /// Whether a listed manifest is, or is made of, this blob.
    pub(crate) fn needs(&self, digest: &Digest) -> Result<bool> {
        for entry in self.index()?.manifests {
            let is_part = |d: &Descriptor| d.digest == *digest;
            let needed = is_part(&entry)
                || match self.read_manifest(&entry)?.decode() {
                    Ok(ManifestKind::Image(image)) => {
                        is_part(&image.config) || image.layers.iter().any(is_part)
                    }
                    Ok(ManifestKind::Index(index)) => index.manifests.iter().any(is_part),
                    // Not ours to judge: what is not understood stays whole.
                    Err(_) => true,
                };
            if needed {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(crate) fn tags(&self) -> Result<Vec<(String, Digest)>> {
        let mut tags: Vec<_> = (self.index()?.manifests.into_iter())
            .filter_map(|m| Some((tag_of(&m)?.to_owned(), m.digest)))
            .collect();
        tags.sort();
        tags.dedup_by(|a, b| a.0 == b.0);
        Ok(tags)
    }

    /// Takes a manifest, and every tag on it, off the index. Its blobs stay
    /// until the layout is swept.
    pub(crate) fn delete_manifest(&self, digest: &Digest) -> Result<()> {
        let _lock = self.lock()?;
        self.change_index(|entries| {
            let before = entries.len();
            entries.retain(|e| digest_of(e) != Some(digest.as_str()));
            if entries.len() == before {
                let what = format!("manifest {digest}");
                return Err(Error::NotFound { what, repository: self.name() });
            }
            Ok(true)
        })
    }

    /// Removes a tag; with `expected`, only when it still points there.
    pub(crate) fn untag(&self, tag: &str, expected: Option<&Digest>) -> Result<()> {
        let _lock = self.lock()?;
        let actual = self.find(tag)?.map(|d| d.digest);
        match expected {
            Some(expected) if actual.as_ref() != Some(expected) => {
                return Err(Error::TagMoved { tag: tag.to_owned(), expected: expected.clone(), actual });
            }
            None if actual.is_none() => {
                return Err(Error::NotFound { what: format!("tag {tag}"), repository: self.name() });
            }
            _ => {}
        }
        self.change_index(|entries| {
            release_tag(entries, tag);
            Ok(true)
        })
    }

    pub(crate) fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>> {
        let index = self.index()?;
        let mut found: Vec<Descriptor> = Vec::new();
        let fallback = format!("sha256-{}", digest.hex());
        for entry in &index.manifests {
            let facts = self.facts(entry);
            let listed: Vec<&Descriptor> = match &facts.referrer {
                Some((subject, descriptor)) if subject == digest => vec![descriptor],
                _ if tag_of(entry) == Some(fallback.as_str()) => facts.children.iter().collect(),
                _ => continue,
            };
            for descriptor in listed {
                if !found.iter().any(|f| f.digest == descriptor.digest) {
                    found.push(descriptor.clone());
                }
            }
        }
        Ok(found)
    }
}
