//! Which paths of the tree are no part of the image's change: what the sandbox itself put there, caches, logs, backups, locks.

use std::path::Path;

/// What was put into the tree for the job's sake, and where.
#[derive(Debug, Default, Clone, Copy)]
pub(in crate::executor) struct Added {
    /// `usr/sbin/policy-rc.d` is ours.
    pub(in crate::executor) policy: bool,
}

/// The sandbox's own folders, which the image's are covered by.
const MOUNTED: &[&str] = &["dev", "proc", "sys", ".patchline"];

/// What lives no longer than a machine runs: nothing in them is looked at.
const VOLATILE: &[&str] = &["run", "tmp", "var/tmp"];

/// Folders whose files are made anew when they are needed, or tell of this run alone. Folders in them stay: packages own some.
const PASSING: &[&str] = &["var/cache/", "var/log/", "var/lib/apt/lists/", "root/.cache/"];

/// But these are no caches, whatever they lie in: debconf(7) keeps its questions and answers there.
const LASTING: &[&str] =
    &["var/cache/debconf/config.dat", "var/cache/debconf/templates.dat", "var/cache/debconf/passwords.dat"];

/// Locks, journals and the backups that passwd(5)'s tools leave.
const LEFT: &[&str] = &[
    "etc/.pwd.lock",
    "etc/passwd-",
    "etc/shadow-",
    "etc/group-",
    "etc/gshadow-",
    "etc/subuid-",
    "etc/subgid-",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/triggers/Lock",
    "lib/apk/db/lock",
    "usr/lib/apk/db/lock",
];

/// Whether something of the sandbox's own stands there. Paths have no slash in front.
pub(in crate::executor) fn is_mounted(path: &str) -> bool {
    MOUNTED.contains(&path)
}

/// Whether a folder is not gone into at all.
pub(in crate::executor) fn is_closed(path: &str) -> bool {
    is_mounted(path) || VOLATILE.contains(&path)
}

/// Whether nothing is told of what is at a path.
pub(in crate::executor) fn is_left_out(path: &str, folder: bool, added: Added) -> bool {
    if path == "usr/sbin/policy-rc.d" && added.policy {
        return true;
    }
    if is_mounted(path) {
        return true;
    }
    if folder || LASTING.contains(&path) {
        return false;
    }
    LEFT.contains(&path)
        || PASSING.iter().any(|passing| path.starts_with(passing))
        || (path.starts_with("var/lib/dpkg/") && is_backup(path))
        || is_compiled(path)
}

/// What Python compiled for itself (PEP 3147): in the order of hashes that differ from run to run. An old one is not read any
/// more once its source is another, and Debian's packages ship none.
fn is_compiled(path: &str) -> bool {
    path.ends_with(".pyc") && path.contains("/__pycache__/")
}

/// dpkg's and its friends' own: `status-old`, `diversions-old`, what they were writing.
fn is_backup(path: &str) -> bool {
    let name = Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // A package may be called `x-old`; its files have an ending.
    let backup = name.ends_with("-old") && !path.starts_with("var/lib/dpkg/info/");
    backup || path.starts_with("var/lib/dpkg/updates/") || path.starts_with("var/lib/dpkg/tmp.ci/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_change_is_left_out() {
        let out = |path: &str| is_left_out(path, false, Added { policy: true });
        for path in [
            "var/lib/dpkg/status-old",
            "var/lib/dpkg/triggers/Lock",
            "lib/apk/db/lock",
            "var/cache/ldconfig/aux-cache",
            "var/cache/debconf/templates.dat-old",
            "var/log/dpkg.log",
            "etc/passwd-",
            "usr/sbin/policy-rc.d",
            "usr/lib/python3.9/__pycache__/socket.cpython-39.pyc",
            "dev",
            ".patchline",
        ] {
            assert!(out(path), "{path}");
        }
        for path in [
            "var/lib/dpkg/status",
            "var/lib/dpkg/info/x-old.list",
            "var/cache/debconf/config.dat",
            "etc/passwd",
            "etc/ld.so.cache",
            "usr/lib/python3.9/socket.pyc",
            "device",
            "tmp",
        ] {
            assert!(!out(path), "{path}");
        }
        assert!(!is_left_out("var/log/nginx", true, Added::default()));
        assert!(!is_left_out("usr/sbin/policy-rc.d", false, Added::default()));
        assert!(is_closed("tmp") && !is_closed("tmpl"));
    }
}
