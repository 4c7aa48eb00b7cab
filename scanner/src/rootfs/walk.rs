//! A walk over a folder that never leaves it: by descriptors of folders, through no link, on one file system.

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};

use super::{content::Content, limits, notes::Notes};
use crate::{
    Error, Result,
    layers::{Entry, Kind, Stop, Visitor, facts::Collector},
};

/// Folders of a running system where others are mounted that hold no packages: it needs no saying.
const MOUNTS: [&str; 4] = ["dev", "proc", "run", "sys"];

/// A folder that is being looked at.
struct Open {
    folder: OwnedFd,
    path: String,
    /// Sorted, the next one last.
    names: Vec<CString>,
}

struct Walk<'a> {
    collector: &'a mut Collector,
    notes: Notes,
    /// The file system of the root.
    device: u64,
    /// Names that were listed: no more are ever held.
    listed: u64,
    budget: u64,
}

/// Shows all that lies in `folder` to the collector, by name; gives what could not be looked at.
///
/// # Errors
/// A folder that cannot be opened or listed itself, or what the collector refuses as too much.
pub(super) fn walk(folder: &Path, collector: &mut Collector) -> Result<Vec<String>> {
    let failed = |source: io::Error| Error::Io { operation: format!("open {}", folder.display()), source };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, folder, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
    let device = fstat(root.as_fd()).map_err(|e| failed(e.into()))?.st_dev;
    let mut walk =
        Walk { collector, notes: Notes::default(), device, listed: 0, budget: limits::rootfs().read };
    let names = walk.names(&root, "").map_err(failed)?;
    let mut open = vec![Open { folder: root, path: String::new(), names }];
    while let Some(top) = open.last_mut() {
        let Some(name) = top.names.pop() else {
            open.pop();
            continue;
        };
        let path = below(&top.path, &name);
        if path.len() > limits::rootfs().path {
            let shown: String = path.chars().take(100).collect();
            walk.notes.add(&format!("{shown}…"), "its path is too long");
        } else if let Some(inner) = walk.entry(&top.folder, &name, path)? {
            if open.len() < limits::rootfs().depth {
                open.push(inner);
            } else {
                walk.notes.add(
                    &inner.path,
                    format!("folders deeper than {} are not looked into", limits::rootfs().depth),
                );
            }
        }
    }
    Ok(walk.notes.finish())
}

fn below(folder: &str, name: &CStr) -> String {
    let name = name.to_string_lossy();
    if folder.is_empty() { name.into_owned() } else { format!("{folder}/{name}") }
}

impl Walk<'_> {
    /// The names in a folder, the first one last.
    fn names(&mut self, folder: &OwnedFd, path: &str) -> io::Result<Vec<CString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if self.listed >= limits::rootfs().entries {
                let reason = format!(
                    "not all in it was looked at: there are more than {} files",
                    limits::rootfs().entries
                );
                self.notes.add(path, reason);
                break;
            }
            self.listed += 1;
            names.push(name.to_owned());
        }
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(names)
    }

    /// Shows one entry; gives a folder that is to be looked into.
    fn entry(&mut self, folder: &OwnedFd, name: &CStr, path: String) -> Result<Option<Open>> {
        let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(error) => {
                self.notes.add(&path, error);
                return Ok(None);
            }
        };
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return self.folder(folder, name, path, &stat),
            FileType::RegularFile => Kind::File,
            FileType::Symlink => match readlinkat(folder, name, Vec::new()) {
                Ok(target) if target.as_bytes().len() <= limits::rootfs().path => {
                    Kind::Symlink(target.to_string_lossy().into_owned())
                }
                Ok(_) => {
                    self.notes.add(&path, "the link is too long");
                    return Ok(None);
                }
                Err(error) => {
                    self.notes.add(&path, error);
                    return Ok(None);
                }
            },
            _ => Kind::Other,
        };
        let entry = entry(path, kind, &stat);
        let mut content = Content::new(folder, name, stat, &mut self.budget);
        let shown = self.collector.entry(&entry, &mut content);
        if let Some(fault) = content.fault {
            self.notes.add(&entry.path, fault);
            self.collector.unread(entry.path);
            return Ok(None);
        }
        shown.map(|()| None).map_err(|stop| stopped(stop, &entry.path))
    }

    fn folder(&mut self, above: &OwnedFd, name: &CStr, path: String, stat: &Stat) -> Result<Option<Open>> {
        if stat.st_dev != self.device {
            if !MOUNTS.contains(&path.as_str()) {
                self.notes.add(&path, "another file system is mounted there, which is not looked into");
            }
            return Ok(None);
        }
        let entry = entry(path, Kind::Directory, stat);
        self.collector.entry(&entry, &mut io::empty()).map_err(|stop| stopped(stop, &entry.path))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(above, name, flags, Mode::empty()).map_err(io::Error::from);
        let listed = opened.and_then(|folder| {
            // It may have been replaced since, by a mount for one.
            if fstat(folder.as_fd())?.st_dev != self.device {
                return Err(io::Error::other("another file system is mounted there"));
            }
            let names = self.names(&folder, &entry.path)?;
            Ok((folder, names))
        });
        match listed {
            Ok((folder, names)) => Ok(Some(Open { folder, path: entry.path, names })),
            Err(error) => {
                self.notes.add(&entry.path, error);
                Ok(None)
            }
        }
    }
}

fn entry(path: String, kind: Kind, stat: &Stat) -> Entry {
    let size = if kind == Kind::File { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
    let mode = stat.st_mode & 0o7777;
    Entry { path, kind, mode, uid: stat.st_uid.into(), gid: stat.st_gid.into(), size }
}

fn stopped(stop: Stop, path: &str) -> Error {
    match stop {
        Stop::Limit(what, limit) => Error::Limit { what, limit },
        Stop::Reason(reason) => {
            Error::Io { operation: format!("read {path}"), source: io::Error::other(reason) }
        }
    }
}
