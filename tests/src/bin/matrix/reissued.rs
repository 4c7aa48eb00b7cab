//! A security suite whose packages a mirror has lost, made once more: its own index, which the mirror still has, says what each is
//! called and needs; what is in them is what the image has installed, with every program and library a little longer.
//!
//! So an upgrade is one: versions, relations, scripts, conffiles and changed files are those of the release, and only the
//! repairs in the code are not.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use patchline_tests::machine::{run, text};

use crate::{archive, keys::Key};

/// The keyring of Debian's own archives, which the main suite is still checked with.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Links of a merged `/usr`: no package ships them.
const MERGED: &[&str] = &["bin", "lib", "lib32", "lib64", "libx32", "sbin"];
/// What an index says of a file, and a control file does not.
const OF_INDEX: &[&str] = &["Filename", "Size", "MD5sum", "SHA1", "SHA256", "Description-md5"];
/// Members of a package that dpkg keeps beside its list.
const MEMBERS: &[&str] = &[
    "preinst",
    "postinst",
    "prerm",
    "postrm",
    "config",
    "templates",
    "conffiles",
    "triggers",
    "shlibs",
    "symbols",
];

/// Whose packages.
pub(crate) struct Release<'a> {
    pub(crate) suite: &'a str,
    pub(crate) architecture: &'a str,
    /// A root file system of it.
    pub(crate) tree: &'a Path,
    /// Of the security suite.
    pub(crate) mirror: &'a str,
}

impl Release<'_> {
    /// Makes the suite in a folder; the flags that make our program ask it.
    pub(crate) fn reissue(&self, folder: &Path) -> Vec<String> {
        let apt = self.apt(folder);
        let (made, pool) = (folder.join("archive"), folder.join("archive/pool"));
        fs::create_dir_all(&pool).unwrap();
        let mut index = String::new();
        for (name, version) in self.newer(&apt) {
            let mut show = self.command("apt-cache", &apt);
            let said = text(&run(show.args(["show", &format!("{name}={version}")])));
            let control = said.split("\n\n").next().unwrap();
            let file = pool.join(format!("{name}_{}_{}.deb", version.replace(':', "%3a"), self.architecture));
            self.package(&name, control, &folder.join("package"), &file);
            index += &archive::stanza(&file);
        }
        assert!(!index.is_empty(), "the security suite is ahead of nothing in {}", self.tree.display());
        let key = Key::make(folder, "reissued", None);
        let suite = format!("{}-security", self.suite);
        archive::suites(&made, self.architecture, &key, &[(&suite, &index)]);
        let (address, keyring) = (format!("file://{}/", made.display()), key.keyring.display().to_string());
        ["--security-mirror", &address, "--keyring", &keyring, "--keyring", KEYRING]
            .map(str::to_owned)
            .to_vec()
    }

    /// An apt of this release's own, over the tree's database.
    fn apt(&self, folder: &Path) -> PathBuf {
        let place = folder.join("apt");
        for name in ["state/lists/partial", "cache/archives/partial", "etc"] {
            fs::create_dir_all(place.join(name)).unwrap();
        }
        let sources = place.join("etc/sources.list");
        let source = format!(
            "deb [signed-by={KEYRING} check-valid-until=no] {} {}-security main\n",
            self.mirror, self.suite
        );
        fs::write(&sources, source).unwrap();
        let status = self.tree.join("var/lib/dpkg/status");
        let (state, cache) = (place.join("state"), place.join("cache"));
        let config = place.join("apt.conf");
        let set = [
            ("Dir::State", state.display().to_string()),
            ("Dir::State::status", status.display().to_string()),
            ("Dir::Cache", cache.display().to_string()),
            ("Dir::Etc::SourceList", sources.display().to_string()),
            ("Dir::Etc::SourceParts", "/dev/null".to_owned()),
            ("Dir::Etc::PreferencesParts", "/dev/null".to_owned()),
            ("APT::Architecture", self.architecture.to_owned()),
        ];
        let mut text: String = set.iter().map(|(name, value)| format!("{name} \"{value}\";\n")).collect();
        text += &format!("APT::Architectures {{ \"{}\"; }};\n", self.architecture);
        fs::write(&config, text).unwrap();
        run(self.command("apt-get", &config).args(["update", "-o", "APT::Sandbox::User=root"]));
        config
    }

    fn command(&self, program: &str, config: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", config).env("LC_ALL", "C");
        command
    }

    /// What is installed and newer there: name and the newest version, as apt itself would take them.
    fn newer(&self, apt: &Path) -> BTreeMap<String, String> {
        let mut upgrade = self.command("apt-get", apt);
        let said = text(&run(upgrade.args(["--simulate", "--assume-yes", "dist-upgrade"])));
        let line = |line: &str| {
            // Inst NAME [OLD] (NEW …
            let mut words = line.strip_prefix("Inst ")?.split(' ');
            let (name, old, new) = (words.next()?, words.next()?, words.next()?);
            (old.starts_with('[')).then(|| (name.to_owned(), new.trim_start_matches('(').to_owned()))
        };
        said.lines().filter_map(line).collect()
    }

    fn package(&self, name: &str, stanza: &str, root: &Path, file: &Path) {
        let info = self.tree.join("var/lib/dpkg/info");
        let member = |kind: &str| -> PathBuf {
            let plain = info.join(format!("{name}.{kind}"));
            if plain.exists() { plain } else { info.join(format!("{name}:{}.{kind}", self.architecture)) }
        };
        fs::create_dir_all(root.join("DEBIAN")).unwrap();
        let list = fs::read_to_string(member("list")).unwrap();
        let paths = list.lines().map(|line| line.trim_start_matches('/'));
        let shipped: Vec<&str> = paths
            .filter(|path| !MERGED.contains(path) && !matches!(*path, "" | "."))
            .filter(|path| self.tree.join(path).symlink_metadata().is_ok())
            .collect();
        let listed = root.with_extension("list");
        fs::write(&listed, shipped.join("\n")).unwrap();
        let line = "tar --numeric-owner --no-recursion -C \"$1\" -cf - -T \"$2\" | tar --numeric-owner -xpf - -C \"$3\"";
        run(Command::new("sh").args(["-ec", line, "sh"]).arg(self.tree).arg(&listed).arg(root));
        let files =
            || shipped.iter().filter(|path| root.join(path).symlink_metadata().is_ok_and(|m| m.is_file()));
        // A file of several names is one.
        let once: BTreeMap<u64, &str> =
            files().map(|path| (fs::metadata(root.join(path)).unwrap().ino(), *path)).collect();
        once.values().for_each(|path| longer(&root.join(path)));
        let sum = |path: &&str| {
            let said = text(&run(Command::new("md5sum").arg(root.join(path))));
            format!("{}  {path}\n", said.split_whitespace().next().unwrap())
        };
        let sums: String = files().map(sum).collect();
        for kind in MEMBERS.iter().filter(|kind| member(kind).exists()) {
            fs::copy(member(kind), root.join("DEBIAN").join(kind)).unwrap();
        }
        fs::write(root.join("DEBIAN/md5sums"), sums).unwrap();
        fs::write(root.join("DEBIAN/control"), control(stanza)).unwrap();
        run(Command::new("chmod").arg("0755").arg(root.join("DEBIAN")));
        run(Command::new("dpkg-deb").args(["-Zgzip", "-z1", "--build"]).arg(root).arg(file));
        fs::remove_dir_all(root).unwrap();
    }
}

/// The fields of a control file.
fn control(stanza: &str) -> String {
    let mut kept = String::new();
    let mut is_kept = true;
    for line in stanza.lines() {
        if !line.starts_with(' ') {
            is_kept = !OF_INDEX.contains(&line.split(':').next().unwrap());
        }
        if is_kept {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}

/// A program or library with a byte behind its end, which its loader does not look at.
fn longer(file: &Path) {
    let mut magic = [0; 4];
    let mode = fs::metadata(file).unwrap().permissions().mode();
    let is_elf = fs::File::open(file).unwrap().read_exact(&mut magic).is_ok() && &magic == b"\x7fELF";
    if is_elf {
        fs::OpenOptions::new().append(true).open(file).unwrap().write_all(b"\n").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_index_adds_is_taken_away() {
        let stanza = "Package: x\nDescription: short\n long\nDescription-md5: 1\nFilename: pool/x\nSHA256: 2\nSize: 3\nVersion: 4\n";
        assert_eq!(control(stanza), "Package: x\nDescription: short\n long\nVersion: 4\n");
    }
}
