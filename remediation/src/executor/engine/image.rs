//! The image that a container is made of: the very layers that were verified here, in an archive as `docker save` writes it
//! (Docker Image Specification v1.2, "Combined Image JSON + Filesystem Changeset Format"), under a name of nobody's.
//!
//! Daemons hold each layer against its diff_id as they take it, so what a container is made of is what was planned for.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, Write},
};

use patchline_registry::Digest;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Names, client::Client, limits};
use crate::{Error, Result, tree::decoder};

/// An image in the daemon; removed when this is gone.
pub(super) struct Loaded<'a> {
    client: &'a Client,
    path: String,
}

impl Drop for Loaded<'_> {
    fn drop(&mut self) {
        self.client.remove(&self.path);
    }
}

/// One layer as a plain archive: how long, and which.
struct Plain {
    size: u64,
    diff_id: Digest,
}

/// Hands an image to the daemon. `layers`: lowest first, as they are stored.
pub(super) fn load<'a>(
    client: &'a Client,
    names: &Names,
    architecture: &str,
    layers: &mut [File],
) -> Result<Loaded<'a>> {
    let broken = |source| Error::Io { operation: "read a layer for the daemon".to_owned(), source };
    let mut left = limits::IMAGE;
    let all = layers.iter_mut().map(|layer| measure(layer, &mut left)).collect::<io::Result<Vec<_>>>();
    let all = all.map_err(broken)?;
    let diff_ids: Vec<String> = all.iter().map(|layer| layer.diff_id.to_string()).collect();
    let paths: Vec<String> = (0..all.len()).map(|n| format!("{n}/layer.tar")).collect();
    let config = json!({
        "architecture": architecture, "os": "linux", "config": {"Labels": names.labels()},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let index = json!([{"Config": "config.json", "RepoTags": [names.image], "Layers": paths}]);
    // Whatever becomes of the transfer, the name is free afterwards.
    let loaded = Loaded { client, path: format!("images/{}", names.image) };
    let request = client.post("images/load").query(&[("quiet", "1")]);
    client.upload(request, "take the image", |to| {
        let mut archive = tar::Builder::new(to);
        for (name, text) in [("manifest.json", index.to_string()), ("config.json", config.to_string())] {
            append(&mut archive, name, text.len() as u64, &mut text.as_bytes())?;
        }
        for ((layer, plain), path) in layers.iter_mut().zip(&all).zip(&paths) {
            let mut raw = reader(layer)?;
            append(&mut archive, path, plain.size, &mut decoder(&mut raw)?)?;
        }
        archive.finish()
    })?;
    Ok(loaded)
}

/// Something of root's in an archive, without a time.
pub(super) fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

/// A file of root's in an archive.
pub(super) fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    path: &str,
    size: u64,
    content: &mut dyn Read,
) -> io::Result<()> {
    archive.append_data(&mut header(tar::EntryType::Regular, 0o644, size), path, content)
}

fn reader(layer: &mut File) -> io::Result<BufReader<&mut File>> {
    layer.rewind()?;
    Ok(BufReader::with_capacity(256 << 10, layer))
}

fn measure(layer: &mut File, left: &mut u64) -> io::Result<Plain> {
    let mut raw = reader(layer)?;
    let mut plain = decoder(&mut raw)?;
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 128 << 10]);
    loop {
        let read = plain.read(&mut buffer)?;
        if read == 0 {
            return Ok(Plain { size, diff_id: Digest::from_sha256(&hash.finalize()) });
        }
        hash.update(&buffer[..read]);
        size += read as u64;
        let Some(rest) = left.checked_sub(read as u64) else {
            return Err(io::Error::other("the image unpacks to more than is sent to a daemon"));
        };
        *left = rest;
    }
}
