//! The tree as one reproducible gzip layer: sorted paths, fixed encoder, hashed on the way.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    sync::mpsc::{SyncSender, sync_channel},
};

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::tree::{Content, Kind, Node, Tree};
use crate::span::Span;

/// Level of the encoder: pinned, for it shows in the bytes.
const LEVEL: u32 = 6;
const PIECE: usize = 1 << 20;

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    /// SHA-256 of the compressed bytes.
    pub(super) digest: Vec<u8>,
    /// SHA-256 of the tar.
    pub(super) diff_id: Vec<u8>,
    /// Compressed bytes.
    pub(super) size: u64,
}

/// Writes the layer; the tar is made on this thread and compressed on another.
pub(super) fn write(tree: &Tree, path: &Path, progress: &dyn Fn(u64, u64)) -> io::Result<Written> {
    let file = File::create(path)?;
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel::<Vec<u8>>(16);
        let packer = scope.spawn(move || -> io::Result<(Vec<u8>, u64)> {
            let hashed =
                Hashed { inner: BufWriter::with_capacity(PIECE, file), hash: Sha256::new(), size: 0 };
            // No name, no time, no system in the header: they would vary.
            let mut gzip = GzBuilder::new().mtime(0).write(hashed, Compression::new(LEVEL));
            for piece in receiver {
                gzip.write_all(&piece)?;
            }
            let mut hashed = gzip.finish()?;
            hashed.inner.flush()?;
            Ok((hashed.hash.finalize().to_vec(), hashed.size))
        });
        let made = entries(
            tree,
            Pieces { sender, buffer: Vec::with_capacity(PIECE), hash: Sha256::new() },
            progress,
        );
        let packed = packer.join().unwrap_or_else(|_| Err(io::Error::other("the packer stopped")));
        // The packer's own error says more than that nobody listens to the pieces.
        let (digest, size) = packed?;
        Ok(Written { digest, diff_id: made?, size })
    })
}

fn entries(tree: &Tree, out: Pieces, progress: &dyn Fn(u64, u64)) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(out);
    let total = tree.nodes.len() as u64;
    let first = first_names(tree);
    for (count, (path, node)) in tree.nodes.iter().enumerate() {
        if count % 512 == 0 {
            progress(count as u64, total);
        }
        entry(&mut builder, tree, path, node, &first)?;
    }
    progress(total, total);
    builder.into_inner()?.finish()
}

/// Of each file with hard links: the name that sorts first, which carries the content.
fn first_names(tree: &Tree) -> BTreeMap<&str, &str> {
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    for (path, node) in &tree.nodes {
        if let Kind::HardLink(target) = &node.kind {
            let name = first.entry(target).or_insert(target);
            *name = (*name).min(path);
        }
    }
    first
}

fn entry(
    builder: &mut Builder<Pieces>,
    tree: &Tree,
    path: &str,
    node: &Node,
    first: &BTreeMap<&str, &str>,
) -> io::Result<()> {
    // What this name stands for, and under which name its content is written.
    let (original, source) = match &node.kind {
        Kind::HardLink(target) => (target.as_str(), tree.nodes.get(target).unwrap_or(node)),
        _ => (path, node),
    };
    let carrier = first.get(original).copied().unwrap_or(original);
    let mut header = Header::new_gnu();
    header.set_mode(source.mode);
    header.set_uid(source.uid);
    header.set_gid(source.gid);
    header.set_mtime(source.mtime);
    header.set_size(0);
    if source.uid == 0 {
        header.set_username("root")?;
    }
    if source.gid == 0 {
        header.set_groupname("root")?;
    }
    if carrier != path {
        header.set_entry_type(EntryType::Link);
        return builder.append_link(&mut header, path, carrier);
    }
    if !source.xattrs.is_empty() {
        let names: Vec<_> =
            source.xattrs.iter().map(|(name, value)| (format!("SCHILY.xattr.{name}"), value)).collect();
        builder.append_pax_extensions(names.iter().map(|(name, value)| (name.as_str(), value.as_slice())))?;
    }
    match &source.kind {
        Kind::File(content) => {
            header.set_entry_type(EntryType::Regular);
            header.set_size(content.len());
            match content {
                Content::Bytes(bytes) => builder.append_data(&mut header, path, bytes.as_slice()),
                Content::Spooled { spool, offset, size } => {
                    builder.append_data(&mut header, path, Span::new(spool, *offset, *size))
                }
            }
        }
        Kind::Directory => {
            header.set_entry_type(EntryType::Directory);
            builder.append_data(&mut header, format!("{path}/"), io::empty())
        }
        Kind::Symlink(target) => {
            header.set_entry_type(EntryType::Symlink);
            // `append_link` would refuse what dpkg ships, such as an empty part: the text is kept as it is.
            builder.append_link(&mut header, path, target)
        }
        Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
            let char = matches!(source.kind, Kind::CharDevice(..));
            header.set_entry_type(if char { EntryType::Char } else { EntryType::Block });
            header.set_device_major(*major)?;
            header.set_device_minor(*minor)?;
            builder.append_data(&mut header, path, io::empty())
        }
        Kind::Fifo => {
            header.set_entry_type(EntryType::Fifo);
            builder.append_data(&mut header, path, io::empty())
        }
        Kind::HardLink(target) => {
            Err(io::Error::other(format!("{path} is a link to {target}, which is not there")))
        }
    }
}

/// Hashes the tar and hands it over in pieces.
struct Pieces {
    sender: SyncSender<Vec<u8>>,
    buffer: Vec<u8>,
    hash: Sha256,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        self.hash.update(&piece);
        self.sender.send(piece).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
    fn finish(mut self) -> io::Result<Vec<u8>> {
        self.send()?;
        Ok(self.hash.finalize().to_vec())
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Hashed<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn tree() -> Tree {
        let mut tree = Tree { mtime: 7, ..Tree::default() };
        tree.folder("usr", 0o755);
        tree.file("usr/z", "content");
        tree.put("usr/a", Kind::HardLink("usr/z".into()), 0o644, 0, 0);
        tree.link("bin", "usr/bin");
        tree.put(&format!("usr/{}", "long/".repeat(60)), Kind::Directory, 0o755, 0, 0);
        let node = tree.nodes.get_mut("usr/z").unwrap();
        node.xattrs.push(("security.capability".into(), vec![1, 0, 2]));
        tree
    }

    #[test]
    fn equal_trees_make_equal_layers_and_links_follow_their_content() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("1"), folder.path().join("2"));
        let first = write(&tree(), &one, &|_, _| {}).unwrap();
        let second = write(&tree(), &two, &|_, _| {}).unwrap();
        assert_eq!((&first.digest, &first.diff_id), (&second.digest, &second.diff_id));
        let bytes = std::fs::read(&one).unwrap();
        assert_eq!(bytes.len() as u64, first.size);
        assert_eq!(Sha256::digest(&bytes).to_vec(), first.digest);
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
        assert_eq!(Sha256::digest(&plain).to_vec(), first.diff_id);
        let mut archive = tar::Archive::new(plain.as_slice());
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let xattrs = entry.pax_extensions().unwrap().map_or(0, Iterator::count);
            let link = entry.link_name().unwrap().map(|l| l.to_string_lossy().into_owned());
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            seen.push((path, text, link, xattrs));
        }
        assert_eq!(seen[0], ("bin".into(), String::new(), Some("usr/bin".into()), 0));
        assert_eq!(seen[2], ("usr/a".into(), "content".into(), None, 1));
        assert_eq!(seen[4], ("usr/z".into(), String::new(), Some("usr/a".into()), 0));
        assert!(seen[3].0.len() > 300);
    }
}
