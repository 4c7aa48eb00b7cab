//! One layer into the root (OCI image spec, "Layer Filesystem Changeset"), by somebody who has nothing but that root.
//!
//! Links lead nowhere else than into the tree, so paths are taken as they are. What the layer may claim was bounded when it was
//! read for the plan; what it takes here is bounded by the disk.

use std::{
    ffi::CString,
    fs,
    io::{self, BufReader, Read},
    os::unix::fs::{PermissionsExt, lchown, symlink},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags},
    io::Errno,
};

use super::clean;
use crate::tree::decoder;

/// Attributes that a user namespace may set; others have no meaning in a container's image.
const XATTRS: &[&str] = &["security.capability", "user."];

/// Lays it: gzip, zstd or a bare tar.
pub(super) fn layer(raw: &mut dyn Read) -> io::Result<()> {
    let mut raw = BufReader::with_capacity(1 << 18, raw);
    let mut archive = tar::Archive::new(decoder(&mut raw)?);
    for entry in archive.entries()? {
        add(&mut entry?)?;
    }
    Ok(())
}

fn add<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<()> {
    let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err(io::Error::other("a path leaves its root"));
    }
    let path = parts.join("/");
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    // The sandbox's own are mounted there.
    let first = path.split('/').next().unwrap_or_default();
    if path.is_empty() || clean::is_mounted(first) {
        return Ok(());
    }
    if name == ".wh..wh..opq" {
        return empty(&absolute(folder));
    }
    if let Some(name) = name.strip_prefix(".wh.") {
        return match name {
            "" => Ok(()),
            name => remove(&format!("{}/{name}", absolute(folder).trim_end_matches('/'))),
        };
    }
    let place = absolute(&path);
    if let Some(folder) = Path::new(&place).parent() {
        fs::create_dir_all(folder)?;
    }
    make(entry, &place)
}

fn absolute(path: &str) -> String {
    format!("/{path}")
}

fn remove(place: &str) -> io::Result<()> {
    match fs::symlink_metadata(place) {
        Ok(there) if there.is_dir() => fs::remove_dir_all(place),
        Ok(_) => fs::remove_file(place),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn empty(folder: &str) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let mounted = folder == "/" && entry.file_name().to_str().is_some_and(clean::is_mounted);
        if let Some(path) = path.to_str().filter(|_| !mounted) {
            remove(path)?;
        }
    }
    Ok(())
}

fn make<R: Read>(entry: &mut tar::Entry<'_, R>, place: &str) -> io::Result<()> {
    let kind = entry.header().entry_type();
    let target = entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned());
    let is_dir = kind == tar::EntryType::Directory;
    if !(is_dir && fs::symlink_metadata(place).is_ok_and(|there| there.is_dir())) {
        remove(place)?;
    }
    match kind {
        tar::EntryType::Directory => {
            if let Err(error) = fs::create_dir(place)
                && error.kind() != io::ErrorKind::AlreadyExists
            {
                return Err(error);
            }
        }
        tar::EntryType::Symlink => symlink(target.unwrap_or_default(), place)?,
        tar::EntryType::Link => {
            let first = target.unwrap_or_default();
            let first = absolute(first.trim_start_matches("./").trim_start_matches('/'));
            // The first name has said all that there is to say of both.
            return fs::hard_link(first, place);
        }
        tar::EntryType::Fifo => {
            rustix::fs::mknodat(CWD, place, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
        }
        // Nobody may make them here; what is not there before is not missed after.
        tar::EntryType::Char | tar::EntryType::Block | tar::EntryType::XGlobalHeader => return Ok(()),
        _ => {
            let mut file = fs::File::create_new(place)?;
            io::copy(entry, &mut file)?;
        }
    }
    let xattrs = xattrs(entry)?;
    let header = entry.header();
    let id = |id: u64| u32::try_from(id).map_err(|_| io::Error::other("an owner is beyond all ids"));
    let (uid, gid) = (id(header.uid()?)?, id(header.gid()?)?);
    lchown(place, Some(uid), Some(gid)).map_err(|error| match error.raw_os_error() {
        Some(number) if number == Errno::INVAL.raw_os_error() => {
            io::Error::other(format!("{place} is of {uid}:{gid}, and ids end at 65535"))
        }
        _ => error,
    })?;
    if kind != tar::EntryType::Symlink {
        fs::set_permissions(place, fs::Permissions::from_mode(header.mode()? & 0o7777))?;
    }
    for (name, value) in xattrs {
        match rustix::fs::lsetxattr(place, name.as_c_str(), &value, XattrFlags::empty()) {
            Ok(()) | Err(Errno::NOTSUP | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let time = Timespec { tv_sec: header.mtime()?.try_into().unwrap_or(i64::MAX), tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(CWD, place, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn xattrs<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<Vec<(CString, Vec<u8>)>> {
    let mut found = Vec::new();
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            let extension = extension?;
            let Some(name) = extension.key().ok().and_then(|key| key.strip_prefix("SCHILY.xattr.")) else {
                continue;
            };
            if XATTRS.iter().any(|known| name.starts_with(known))
                && let Ok(name) = CString::new(name)
            {
                found.push((name, extension.value_bytes().to_vec()));
            }
        }
    }
    Ok(found)
}
