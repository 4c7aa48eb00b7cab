//! busybox's links, without its trigger: which applets a version has, as its own list tells (`etc/busybox-paths.d`).

use std::collections::BTreeSet;

use crate::{
    apk::{Installed, Package},
    tree::{Entry, Kind, Tree},
};

/// Where each of busybox's packages lists the paths of its applets.
pub(crate) const PATHS: &str = "etc/busybox-paths.d/";
/// What its trigger runs for.
pub(crate) const FOLDERS: [&str; 4] = ["bin", "sbin", "usr/bin", "usr/sbin"];

/// The upstream version: `1.36.1-r29` → `1.36.1`.
fn upstream(version: &str) -> &str {
    version.rsplit_once("-r").map_or(version, |(upstream, _)| upstream)
}

/// Whether the links of a busybox that goes up can be known; else why not.
pub(crate) fn links_are_known(installed: &Installed, to: &str, package: &Package) -> Result<String, String> {
    if package.listed.iter().any(|one| one.path.starts_with(PATHS)) {
        return Ok("its applets' links are made as its list tells".to_owned());
    }
    match upstream(&installed.version) == upstream(to) {
        true => Ok("its applets are those of the same upstream version".to_owned()),
        false => Err(format!(
            "busybox {} may have other applets than {}, and only it knows which",
            to, installed.version
        )),
    }
}

/// Whether it is a link that busybox made for itself.
pub(crate) fn is_applet(entry: &Entry) -> bool {
    entry.kind == Kind::Symlink && entry.link.as_deref() == Some("/bin/busybox")
}

/// Paths of all applets that the image's lists name, without the leading `/`.
pub(crate) fn listed(tree: &Tree) -> BTreeSet<String> {
    let lists = tree.under(PATHS.trim_end_matches('/')).filter(|(_, node)| node.entry.kind == Kind::File);
    lists.flat_map(|(_, node)| paths(node.content.as_deref().unwrap_or_default())).collect()
}

/// Paths of a list, without the leading `/`.
pub(crate) fn paths(list: &[u8]) -> BTreeSet<String> {
    String::from_utf8_lossy(list)
        .lines()
        .map(|line| line.trim().trim_start_matches('/').to_owned())
        .filter(|path| {
            path.rsplit_once('/').is_some_and(|(folder, name)| FOLDERS.contains(&folder) && !name.is_empty())
        })
        .take(4096)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_name_applets_alone() {
        let list = b"/bin/ash\nusr/bin/wget\n/etc/passwd\n../bin/x\n\n/bin/\n";
        assert_eq!(paths(list).into_iter().collect::<Vec<_>>(), ["bin/ash", "usr/bin/wget"]);
        assert_eq!(upstream("1.36.1-r29"), "1.36.1");
    }
}
