//! One package's record in `installed` as apk itself writes it: the index's fields, then what was shipped.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha1::{Digest as _, Sha1};

use super::Change;
use crate::{apk::Checksum, deb::Entry};

/// The order of fields in apk's own records; the index may have another.
const FIELDS: [char; 17] =
    ['C', 'P', 'V', 'A', 'S', 'I', 'T', 'U', 'L', 'o', 'm', 't', 'c', 'k', 'D', 'p', 'i'];

/// What one package's archive held, for its record.
#[derive(Debug, Default)]
pub(super) struct Record {
    folders: BTreeMap<String, Folder>,
    /// The newest time in it.
    pub(super) newest: u64,
    /// Lists of busybox's applets that came with it.
    pub(super) applets: Vec<u8>,
}

#[derive(Debug, Default)]
struct Folder {
    owner: Option<(u64, u64, u32)>,
    files: BTreeMap<String, String>,
}

impl Record {
    pub(super) fn new(newest: u64) -> Self {
        Self { newest, ..Self::default() }
    }
    pub(super) fn folder(&mut self, entry: &Entry) {
        self.folders.entry(entry.path.clone()).or_default().owner = Some((entry.uid, entry.gid, entry.mode));
    }
    pub(super) fn file(&mut self, entry: &Entry, sum: Option<Checksum>) {
        let (folder, name) = entry.path.rsplit_once('/').unwrap_or(("", &entry.path));
        let mut lines = format!("R:{name}\n");
        let attributes = attributes(&entry.xattrs);
        if (entry.uid, entry.gid, entry.mode) != (0, 0, 0o644) || attributes.is_some() {
            lines.push_str(&format!("a:{}:{}:{:o}", entry.uid, entry.gid, entry.mode));
            if let Some(sum) = attributes {
                lines.push(':');
                lines.push_str(&sum);
            }
            lines.push('\n');
        }
        if let Some(sum) = sum {
            lines.push_str(&format!("Z:{}\n", sum.base64()));
        }
        self.folders.entry(folder.to_owned()).or_default().files.insert(name.to_owned(), lines);
    }

    /// The whole record, with the empty line that ends it.
    pub(super) fn text(&self, change: &Change<'_>) -> String {
        let mut text = String::new();
        let mut put = |letter: char, value: &str| {
            text.push(letter);
            text.push(':');
            text.push_str(value);
            text.push('\n');
        };
        for letter in FIELDS {
            if let Some(value) = change.entry.field(letter) {
                put(letter, value);
            }
        }
        let info = &change.package.info;
        if !info.replaces.is_empty() {
            put('r', &info.replaces.join(" "));
        }
        if let Some(priority) = info.replaces_priority.as_deref().filter(|priority| *priority != "0") {
            put('q', priority);
        }
        if let Some(tag) = &change.installed.tag {
            put('s', tag);
        }
        // `S` speaks of the sums of files.
        let mut flags: String = change.installed.flags.chars().filter(|flag| *flag != 'S').collect();
        if change.package.has_cut_sums() {
            flags.push('S');
        }
        if !flags.is_empty() {
            put('f', &flags);
        }
        for (path, folder) in &self.folders {
            put('F', path);
            if let Some((uid, gid, mode)) = folder.owner.filter(|owner| *owner != (0, 0, 0o755)) {
                put('M', &format!("{uid}:{gid}:{mode:o}"));
            }
            for lines in folder.files.values() {
                for line in lines.lines() {
                    let (letter, value) = line.split_at(1);
                    put(letter.chars().next().unwrap_or('R'), &value[1..]);
                }
            }
        }
        text.push('\n');
        text
    }
}

/// Of extended attributes in the order of their names: SHA-1 over each name and each value, its length in front of it.
fn attributes(xattrs: &[(String, Vec<u8>)]) -> Option<String> {
    if xattrs.is_empty() {
        return None;
    }
    let mut sorted: Vec<(&[u8], &[u8])> =
        xattrs.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
    sorted.sort_unstable();
    let mut hash = Sha1::new();
    for part in sorted.into_iter().flat_map(|(name, value)| [name, value]) {
        hash.update((part.len() as u32).to_be_bytes());
        hash.update(part);
    }
    Some(format!("Q1{}", BASE64_STANDARD.encode(hash.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As apk 3.0.8 wrote it for a file with this capability.
    #[test]
    fn attributes_have_apks_own_sum() {
        let capability = [[1, 0, 0, 2, 0, 4].as_slice(), &[0; 14]].concat();
        let sum = attributes(&[("security.capability".to_owned(), capability)]);
        assert_eq!(sum.as_deref(), Some("Q13mhAdHkP2T+trQ+T8Fm+BiKO6xQ="));
        assert_eq!(attributes(&[]), None);
    }
}
