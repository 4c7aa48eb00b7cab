//! Changelogs of packages, kept beside the packages: each stands behind most of its archive, and never changes.

use std::{
    io::{Read, Write},
    path::Path,
    sync::Arc,
};

use patchline_registry::Digest;

use super::{
    Apt, blocking, cache,
    release::{self, Promise},
};
use crate::{
    Error, Result,
    deb::{Deb, EntryKind, PackageRecord},
};

/// The newest entries alone matter, and they stand at the top.
const MAX_CHANGELOG: u64 = 4 << 20;
/// Of a kept file's first line.
const MAX_HEAD: usize = 128;
/// What that line begins with: another version is read anew.
const VERSION: &str = "changelog-1";

impl Apt {
    /// The changelog that a package of a verified index ships; none: its folder is a link to another package's. Where
    /// it is kept under the package's hash, the package itself is not needed.
    pub(super) async fn changelog(&self, package: &Arc<PackageRecord>) -> Result<Option<String>> {
        let named = release::is_sha256(&package.sha256);
        let promise = Promise { sha256: package.sha256.clone(), size: package.size };
        let place = named.then(|| cache::place(&self.config.cache, "changelogs", &promise)).transpose()?;
        if let Some(place) = place.clone()
            && let Some(known) = blocking("a changelog", move || Ok(kept(&place))).await?
        {
            return Ok(known);
        }
        let path = self.download(std::slice::from_ref(package)).await?.remove(0);
        let name = package.name.clone();
        blocking("a changelog", move || {
            let text = shipped(&path, &name)?;
            if let Some(place) = place {
                keep(&place, text.as_deref())?;
            }
            Ok(text)
        })
        .await
    }
}

/// Whether there is one, and its hash, so that a file that was cut off or spoilt is read anew.
fn head(text: Option<&str>) -> String {
    let is = if text.is_some() { "shipped" } else { "elsewhere" };
    format!("{VERSION} {is} {}\n", Digest::of(text.unwrap_or_default().as_bytes()).hex())
}

/// What is kept; the outer none: nothing that can be believed.
fn kept(place: &Path) -> Option<Option<String>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(place).ok()?;
    (&file).take(MAX_CHANGELOG * 3 + MAX_HEAD as u64).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (line, rest) = text.split_at(text.find('\n')? + 1);
    let known = [Some(rest), None].into_iter().find(|known| head(*known) == line)?;
    crate::cache::used(&file);
    Some(known.map(str::to_owned))
}

/// Written aside and renamed, so that nobody reads half of it.
fn keep(place: &Path, text: Option<&str>) -> Result<()> {
    let failed = |source| Error::Io { operation: "keep a changelog in the cache".to_owned(), source };
    let folder = place.parent().unwrap_or(Path::new("."));
    let mut aside = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    aside
        .write_all(head(text).as_bytes())
        .and_then(|()| aside.write_all(text.unwrap_or_default().as_bytes()))
        .map_err(failed)?;
    aside.persist(place).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Text of the changelog that a package ships; none when its folder is a link to another package's.
fn shipped(deb: &Path, package: &str) -> Result<Option<String>> {
    let folder = format!("usr/share/doc/{package}/");
    // A native package has `changelog.gz`; elsewhere that is upstream's, which comes first or last.
    let ranked = ["changelog.Debian.gz", "changelog.Debian", "changelog.gz", "changelog"];
    let mut best: Option<(usize, String)> = None;
    Deb::open(deb)?.data(|entry, content| {
        let Some(name) = entry.path.strip_prefix(&folder).filter(|_| entry.kind == EntryKind::File) else {
            return Ok(());
        };
        let Some(rank) = ranked.iter().position(|r| *r == name) else { return Ok(()) };
        if best.as_ref().is_some_and(|(found, _)| *found <= rank) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let read = if name.ends_with(".gz") {
            flate2::read::MultiGzDecoder::new(content).take(MAX_CHANGELOG).read_to_end(&mut bytes)
        } else {
            content.take(MAX_CHANGELOG).read_to_end(&mut bytes)
        };
        read.map_err(|e| Error::Malformed { file: entry.path.clone(), reason: e.to_string() })?;
        best = Some((rank, String::from_utf8_lossy(&bytes).into_owned()));
        Ok(())
    })?;
    Ok(best.map(|(_, text)| text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_what_is_spoilt_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("x");
        assert_eq!(kept(&place), None);
        for text in [Some("abc (1) bookworm; urgency=high\n"), Some(""), None] {
            keep(&place, text).unwrap();
            assert_eq!(kept(&place), Some(text.map(str::to_owned)));
        }
        keep(&place, Some("abc (1)\nabc (2)\n")).unwrap();
        let whole = std::fs::read(&place).unwrap();
        for spoilt in [&whole[..whole.len() - 1], &whole[1..], b"", b"\xff\n"] {
            std::fs::write(&place, spoilt).unwrap();
            assert_eq!(kept(&place), None);
        }
    }
}
