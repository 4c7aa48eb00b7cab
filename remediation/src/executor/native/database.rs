//! dpkg's own database in the patch layer: stanzas and `info/` of what was upgraded, nothing else touched.

use super::{
    Change, Shipped, Work,
    layer::{Content, Laid},
};
use crate::{
    deb::status,
    installed::{Database, Layout},
    tree::Tree,
};

const INFO: &str = "var/lib/dpkg/info";

/// Lays the database.
pub(super) fn lay(
    tree: &Tree,
    database: &Database,
    changes: &[Change<'_>],
    shipped: &[Shipped],
    work: &mut Work,
) {
    let mut put = |path: String, bytes: Vec<u8>, mode: u32, mtime: u64| {
        if tree.content(&path) == Some(bytes.as_slice()) {
            return;
        }
        let real = tree.real(&path).into_owned();
        work.entries.insert(
            real,
            Laid { content: Content::Bytes(bytes), mode, uid: 0, gid: 0, mtime, xattrs: Vec::new() },
        );
    };
    let mut stanzas = Vec::new();
    let mut stale = Vec::new();
    for (change, shipped) in changes.iter().zip(shipped) {
        match database.layout {
            Layout::StatusD => {
                let control = change.control.get("control").cloned().unwrap_or_default();
                put(change.installed.file.clone(), control, 0o644, shipped.newest);
                let sums = change.control.get("md5sums").cloned().unwrap_or_else(|| md5sums(shipped));
                put(format!("{}.md5sums", change.installed.file), sums, 0o644, shipped.newest);
            }
            Layout::Status => {
                stanzas.push((change.installed.span.clone(), stanza(change, shipped)));
                let prefix = if database.multiarch_names {
                    change.record.info_name()
                } else {
                    change.record.name.clone()
                };
                let mut members = change.control.clone();
                members.remove("control");
                members.insert("list".to_owned(), list(shipped));
                members.entry("md5sums".to_owned()).or_insert_with(|| md5sums(shipped));
                for name in members_of(tree, &change.installed.info) {
                    let gone = change.installed.info != prefix || !members.contains_key(name);
                    if gone {
                        stale.push(format!("{INFO}/{}.{name}", change.installed.info));
                    }
                }
                for (name, bytes) in members {
                    let script =
                        matches!(name.as_str(), "preinst" | "postinst" | "prerm" | "postrm" | "config");
                    let mode = if script { 0o755 } else { 0o644 };
                    put(format!("{INFO}/{prefix}.{name}"), bytes, mode, shipped.newest);
                }
            }
        }
    }
    if database.layout == Layout::Status {
        let newest = shipped.iter().map(|s| s.newest).max().unwrap_or(0);
        put(
            "var/lib/dpkg/status".to_owned(),
            replaced(&database.status, stanzas).into_bytes(),
            0o644,
            newest,
        );
    }
    work.whiteouts.extend(stale.into_iter().map(|path| tree.through(&path).into_owned()));
}

/// Names of a package's files under `info/`. They hold no dot, so that `python3` does not claim `python3.11`'s.
fn members_of<'t>(tree: &'t Tree, package: &str) -> impl Iterator<Item = &'t str> {
    let prefix = format!("{INFO}/{package}.");
    tree.under(INFO)
        .filter_map(move |(path, _)| path.strip_prefix(prefix.as_str()))
        .filter(|name| !name.contains('.') && !name.contains('/'))
}

fn list(shipped: &Shipped) -> Vec<u8> {
    let mut text = String::new();
    for path in &shipped.list {
        text.push('/');
        text.push_str(if path.is_empty() { "." } else { path });
        text.push('\n');
    }
    text.into_bytes()
}

/// As dpkg makes them where a package brings none.
fn md5sums(shipped: &Shipped) -> Vec<u8> {
    shipped.md5sums.iter().map(|(path, md5)| format!("{md5}  {path}\n")).collect::<String>().into_bytes()
}

fn stanza(change: &Change<'_>, shipped: &Shipped) -> String {
    let mut conffiles: Vec<(String, String)> = change
        .conffiles()
        .into_iter()
        .filter_map(|path| Some((format!("/{path}"), shipped.conffiles.get(&path)?.clone())))
        .collect();
    for old in &change.installed.conffiles {
        let path = format!("/{}", old.path);
        if !conffiles.iter().any(|(known, _)| known == &path) {
            conffiles.push((path, format!("{} obsolete", old.md5)));
        }
    }
    status::stanza(&control_fields(change), &change.installed.status, &conffiles)
}

/// The package's own control file: an index may say things differently.
fn control_fields(change: &Change<'_>) -> crate::deb::Fields {
    let text = change.control.get("control").map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    text.as_deref()
        .and_then(|text| crate::deb::control::single("control", text).ok().map(|stanza| stanza.to_fields()))
        .unwrap_or_else(|| change.record.fields.clone())
}

/// The status file with some stanzas replaced and every other byte as it was.
pub(super) fn replaced(status: &str, mut stanzas: Vec<(std::ops::Range<usize>, String)>) -> String {
    stanzas.sort_by_key(|(span, _)| span.start);
    let mut out = String::with_capacity(status.len() + 4096);
    let mut at = 0;
    for (span, stanza) in stanzas {
        out.push_str(&status[at..span.start]);
        out.push_str(&stanza);
        at = span.end;
    }
    out.push_str(&status[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_stanzas_keep_their_bytes() {
        let status = "Package: a\nX: odd   \n\nPackage: b\nVersion: 1\n\nPackage: c\n";
        let span = status.find("Package: b").unwrap()..status.find("\nPackage: c").unwrap();
        let out = replaced(status, vec![(span, "Package: b\nVersion: 2\n".to_owned())]);
        assert_eq!(out, "Package: a\nX: odd   \n\nPackage: b\nVersion: 2\n\nPackage: c\n");
    }
}
