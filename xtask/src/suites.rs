//! The suites that start real components, and what each needs.

/// One suite that cannot run on cargo alone.
pub(crate) struct Suite {
    /// For people.
    pub(crate) name: &'static str,
    /// (program, Debian package that brings it).
    pub(crate) needs: &'static [(&'static str, &'static str)],
    /// What it shows.
    pub(crate) shows: &'static str,
}

/// Every one of them.
pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "skopeo",
        needs: &[("skopeo", "skopeo")],
        shows: "the embedded registry against a client that is not ours",
    },
    Suite {
        name: "docker-registry",
        needs: &[("docker-registry", "docker-registry"), ("skopeo", "skopeo")],
        shows: "our client against Distribution, and its notifications",
    },
    Suite {
        name: "podman",
        needs: &[("podman", "podman")],
        shows: "a daemon's images, over the socket of a real one",
    },
    Suite {
        name: "engines",
        needs: &[
            ("dockerd", "docker.io"),
            ("runc", "runc"),
            ("podman", "podman"),
            ("mmdebstrap", "mmdebstrap"),
        ],
        shows: "fixing an image in a container of a real daemon",
    },
    Suite {
        name: "mmdebstrap",
        needs: &[("mmdebstrap", "mmdebstrap"), ("skopeo", "skopeo"), ("docker-registry", "docker-registry")],
        shows: "fixing an image that dpkg itself installed, checked in a chroot",
    },
    Suite {
        name: "rpm",
        needs: &[("rpmbuild", "rpm"), ("createrepo_c", "createrepo-c"), ("gpg", "gpg")],
        shows: "fixing images with rpm's text manifests, from packages and repositories of rpm's own programs",
    },
    Suite {
        name: "alpine",
        needs: &[("qemu-img", "qemu-utils"), ("debugfs", "e2fsprogs"), ("unshare", "util-linux")],
        shows: "fixing a real Alpine by its own apk, from a disk of it that PyPI has",
    },
    Suite {
        name: "matrix",
        needs: &[
            ("mmdebstrap", "mmdebstrap"),
            ("docker-registry", "docker-registry"),
            ("gpg", "gnupg"),
            ("zstd", "zstd"),
            ("unshare", "util-linux"),
            ("newuidmap", "uidmap"),
        ],
        shows: "images in every shape, mended and looked at from the inside; mirrors that lie, break or hang",
    },
    Suite {
        name: "postgresql",
        needs: &[("pg_createcluster", "postgresql"), ("setpriv", "util-linux")],
        shows: "the store and the engine over PostgreSQL, and kills of its server",
    },
    Suite { name: "faketime", needs: &[("faketime", "faketime")], shows: "a process whose clock jumps" },
    Suite {
        name: "fleet",
        needs: &[("pg_createcluster", "postgresql"), ("skopeo", "skopeo"), ("setpriv", "util-linux")],
        shows: "a server and its workers over one PostgreSQL",
    },
    Suite {
        name: "chromium",
        needs: &[("chromium", "chromium"), ("chromedriver", "chromium-driver")],
        shows: "the pages in a real browser",
    },
];

/// Whether a program is on the path or where Debian puts programs for root.
pub(crate) fn present(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin"].map(Into::into))
        .any(|folder| folder.join(program).is_file())
}
