//! The allow-list: scripts of Debian that were read and do nothing that matters on an upgrade of an image.
//!
//! An entry stands for any version of the script, so each is one whose kind of work is bound by its purpose.

/// One entry. `same_upstream`: only between two revisions of one upstream version.
struct Allowed {
    package: &'static str,
    script: &'static str,
    same_upstream: bool,
    reason: &'static str,
}

const ALLOWED: &[Allowed] = &[
    Allowed {
        package: "ca-certificates",
        script: "postinst",
        same_upstream: false,
        reason: "its work is done by the native ca-certificates handler",
    },
    Allowed {
        package: "ca-certificates",
        script: "postrm",
        same_upstream: false,
        reason: "acts on removal and purge alone",
    },
    Allowed {
        package: "libc6",
        script: "preinst",
        same_upstream: true,
        reason: "checks the kernel and asks about running services; its migrations are older than any supported release",
    },
    Allowed {
        package: "libc6",
        script: "postinst",
        same_upstream: true,
        reason: "restarts running services and init; no process runs in an image",
    },
    Allowed {
        package: "libc-bin",
        script: "postinst",
        same_upstream: true,
        reason: "runs ldconfig; the cache stays valid for libraries of the same soname",
    },
];

/// Why this package's script may be left out between these versions.
pub(super) fn lookup(package: &str, script: &str, from: &str, to: &str) -> Option<&'static str> {
    ALLOWED
        .iter()
        .find(|entry| {
            entry.package == package
                && entry.script == script
                && (!entry.same_upstream || upstream(from) == upstream(to))
        })
        .map(|entry| entry.reason)
}

/// The upstream version, epoch included.
fn upstream(version: &str) -> &str {
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_bound_to_its_case() {
        assert!(lookup("libc6", "postinst", "2.31-13+deb11u11", "2.31-13+deb11u14").is_some());
        assert!(lookup("libc6", "postinst", "2.31-13+deb11u11", "2.36-9").is_none());
        assert!(lookup("libc6", "prerm", "2.31-1", "2.31-2").is_none());
        assert!(lookup("ca-certificates", "postinst", "20230311", "20250419").is_some());
    }
}
