//! The allow-list: scripts of Debian that were read and do nothing that matters on an upgrade of an image.
//!
//! An entry stands for any version of the script, so each is one whose kind of work is bound by its purpose.

/// One entry: package (a trailing `*` matches the rest), script, reason.
struct Allowed {
    package: &'static str,
    script: &'static str,
    reason: &'static str,
}

const ALLOWED: &[Allowed] = &[
    Allowed {
        package: "ca-certificates",
        script: "postinst",
        reason: "its work is done by the native ca-certificates handler",
    },
    Allowed {
        package: "ca-certificates",
        script: "config",
        reason: "asks questions alone",
    },
    Allowed {
        package: "ca-certificates",
        script: "postrm",
        reason: "acts on removal and purge alone",
    },
    Allowed {
        package: "libc6",
        script: "preinst",
        reason: "checks the kernel and asks about running services; its migrations are older than any supported release",
    },
    Allowed {
        package: "libc6",
        script: "postinst",
        reason: "restarts running services and init; no process runs in an image",
    },
    Allowed {
        package: "libc-bin",
        script: "postinst",
        reason: "runs ldconfig; the cache stays valid for libraries of the same soname",
    },
    Allowed {
        package: "python3.*",
        script: "prerm",
        reason: "removes byte code, which Python remakes when the source's time or size differ",
    },
    Allowed {
        package: "libpython3.*",
        script: "prerm",
        reason: "removes byte code, which Python remakes when the source's time or size differ",
    },
];

/// Why this package's script may be left out.
pub fn lookup(package: &str, script: &str) -> Option<&'static str> {
    ALLOWED
        .iter()
        .find(|entry| {
            entry.script == script
                && match entry.package.strip_suffix('*') {
                    Some(prefix) => package.starts_with(prefix),
                    None => entry.package == package,
                }
        })
        .map(|entry| entry.reason)
}
