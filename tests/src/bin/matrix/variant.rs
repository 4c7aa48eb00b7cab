//! What an image may look like: a set of packages, what somebody did to it, and how its layers lie.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use serde_json::Value;

use crate::{inside::Root, rootfs::Set};

/// One image of the matrix.
pub(crate) struct Variant {
    /// For `--only`, and in the table.
    pub(crate) name: &'static str,
    pub(crate) set: Set,
    /// What is done to the tree, in a layer of its own.
    pub(crate) edits: &'static [Edit],
    /// How many layers it has in the end.
    pub(crate) layers: usize,
    /// Layers are packed by zstd.
    pub(crate) zstd: bool,
    /// `USER`.
    pub(crate) user: &'static str,
    /// No manager, `status.d`.
    pub(crate) distroless: bool,
    /// Architectures beside amd64.
    pub(crate) foreign: bool,
    /// CI makes it, too.
    pub(crate) ci: bool,
}

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Documentation left out, by dpkg's own settings.
    PathExclude,
    /// Configuration files of packages that go up: one changed, one deleted.
    Conffiles,
    /// A program of a package that goes up, put aside for a wrapper.
    Diversion,
    /// A program with another owner and mode.
    Statoverride,
    /// `apt-mark hold` on a package that would go up.
    Hold,
    /// Folders and files that nobody may write to.
    ReadOnly,
}

/// One layer, and nobody did anything to it.
pub(crate) const PLAIN: Variant = Variant {
    name: "",
    set: Set::Web,
    edits: &[],
    layers: 1,
    zstd: false,
    user: "",
    distroless: false,
    foreign: false,
    ci: false,
};

/// All of them.
pub(crate) const VARIANTS: &[Variant] = &[
    Variant { name: "minbase", set: Set::Minbase, foreign: true, ci: true, ..PLAIN },
    Variant { name: "server", set: Set::Server, foreign: true, ..PLAIN },
    Variant { name: "slim", edits: &[Edit::PathExclude], ..PLAIN },
    Variant { name: "distroless", distroless: true, foreign: true, ci: true, ..PLAIN },
    Variant { name: "conffiles", edits: &[Edit::Conffiles], ..PLAIN },
    Variant { name: "diversion", edits: &[Edit::Diversion], ..PLAIN },
    Variant { name: "statoverride", edits: &[Edit::Statoverride], ..PLAIN },
    Variant { name: "held", edits: &[Edit::Hold], ..PLAIN },
    Variant { name: "user", user: "www-data", ..PLAIN },
    Variant { name: "read-only", edits: &[Edit::ReadOnly], ..PLAIN },
    Variant { name: "layers-40", layers: 40, ..PLAIN },
    Variant { name: "zstd", zstd: true, ..PLAIN },
    // What CI has no time for one by one.
    Variant {
        name: "together",
        edits: &[
            Edit::PathExclude,
            Edit::Conffiles,
            Edit::Diversion,
            Edit::Statoverride,
            Edit::Hold,
            Edit::ReadOnly,
        ],
        layers: 40,
        zstd: true,
        user: "www-data",
        ci: true,
        ..PLAIN
    },
];

/// Debian's slim images leave out what `man` and `info` read.
const EXCLUDES: &str = "path-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\n\
     path-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n";

const WRAPPER: &str = "#!/bin/sh\nexec /usr/bin/openssl.distrib \"$@\"\n";

/// What must be after a fix as it was before.
#[derive(Debug, Default)]
pub(crate) struct Stays {
    /// The same content, mode and owner.
    files: Vec<&'static str>,
    /// The same mode and owner; the content may be newer.
    modes: Vec<&'static str>,
    /// Not there.
    gone: Vec<&'static str>,
    /// Nothing new in these.
    closed: Vec<&'static str>,
    /// Refused as held.
    pub(crate) held: Vec<String>,
}

impl Edit {
    /// Does it to a tree. `goes_up`: packages of the unedited image's plan.
    pub(crate) fn apply(self, root: &Root<'_>, goes_up: &[String], stays: &mut Stays) {
        let at = |path: &str| root.path.join(path);
        match self {
            Self::PathExclude => {
                fs::create_dir_all(at("etc/dpkg/dpkg.cfg.d")).unwrap();
                fs::write(at("etc/dpkg/dpkg.cfg.d/docker"), EXCLUDES).unwrap();
                root.ok("find /usr/share/doc -type f ! -name copyright -delete; \
                     find /usr/share/doc -type l ! -name copyright -delete; \
                     rm -rf /usr/share/man/* /usr/share/locale/*");
                stays.closed.extend(["usr/share/man", "usr/share/locale"]);
                stays.files.push("etc/dpkg/dpkg.cfg.d/docker");
            }
            Self::Conffiles => {
                root.ok("echo '# ours' >> /etc/nginx/nginx.conf; echo '# ours' >> /etc/ssl/openssl.cnf; \
                     rm /etc/nginx/koi-utf");
                stays.files.extend(["etc/nginx/nginx.conf", "etc/ssl/openssl.cnf"]);
                stays.gone.push("etc/nginx/koi-utf");
            }
            Self::Diversion => {
                root.ok("dpkg-divert --quiet --local --rename --divert /usr/bin/openssl.distrib --add /usr/bin/openssl");
                fs::write(at("usr/bin/openssl"), WRAPPER).unwrap();
                fs::set_permissions(at("usr/bin/openssl"), fs::Permissions::from_mode(0o755)).unwrap();
                stays.files.push("usr/bin/openssl");
                stays.modes.push("usr/bin/openssl.distrib");
            }
            Self::Statoverride => {
                root.ok("dpkg-statoverride --update --add root www-data 0750 /usr/sbin/nginx");
                stays.modes.push("usr/sbin/nginx");
            }
            Self::Hold => {
                // One that no other's exact version depends on is enough; which one, the release says.
                let held = goes_up.iter().find(|name| *name == "perl-base" || *name == "curl");
                let held = held.or(goes_up.first()).expect("an outdated image has packages that go up");
                root.ok(&format!("echo '{held} hold' | dpkg --set-selections"));
                stays.held.push(held.clone());
            }
            Self::ReadOnly => {
                root.ok("chmod 0555 /usr/bin /usr/sbin /etc/ssl /usr/lib/nginx; \
                     chmod 0444 /etc/nginx/mime.types; chmod 0555 /usr/bin/c_rehash");
                stays.modes.extend([
                    "usr/bin",
                    "usr/sbin",
                    "etc/ssl",
                    "etc/nginx/mime.types",
                    "usr/bin/c_rehash",
                ]);
            }
        }
    }
}

impl Stays {
    /// What did not stay. `before` is the edited tree, `after` the fixed one.
    pub(crate) fn broken(&self, before: &Path, after: &Path, refused: &[Value]) -> Vec<String> {
        let mut found = Vec::new();
        let about = |root: &Path, path: &str| {
            fs::symlink_metadata(root.join(path)).ok().map(|m| (m.mode(), m.uid(), m.gid()))
        };
        for path in self.files.iter().chain(&self.modes) {
            let (was, is) = (about(before, path), about(after, path));
            if was != is {
                found.push(format!("/{path}: mode and owner {was:?} became {is:?}"));
            }
        }
        for path in &self.files {
            if fs::read(before.join(path)).ok() != fs::read(after.join(path)).ok() {
                found.push(format!("/{path}: its content did not stay"));
            }
        }
        for path in self.gone.iter().filter(|path| after.join(path).exists()) {
            found.push(format!("/{path}: it is back"));
        }
        for folder in &self.closed {
            let (was, is) = (count(&before.join(folder)), count(&after.join(folder)));
            if is > was {
                found.push(format!("/{folder}: {is} files, and {was} before"));
            }
        }
        for package in &self.held {
            if !refused.iter().any(|r| r["package"] == *package && r["code"] == "held") {
                found.push(format!("{package} is held, and not refused for that"));
            }
        }
        found
    }
}

fn count(folder: &Path) -> usize {
    let Ok(all) = fs::read_dir(folder) else { return 0 };
    all.map(|entry| {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() { count(&entry.path()) } else { 1 }
    })
    .sum()
}
