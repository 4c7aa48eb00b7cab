//! What this machine can do for an image: run its programs, and hold its tree in memory.

use super::{Sandbox, limits::ROOM};
use crate::tree::Tree;

/// Whose programs run on each machine, by its own name and Go's GOARCH: Debian's names of architectures, rpm's, apk's, and the
/// image specification's.
const MACHINES: &[(&str, &str, &[&str])] = &[
    ("x86_64", "amd64", &["amd64", "i386", "386", "x86_64", "i586", "i686", "x86"]),
    ("aarch64", "arm64", &["arm64", "aarch64"]),
    ("arm", "arm", &["armhf", "armel", "arm", "armv7hl", "armv7"]),
    ("x86", "386", &["i386", "386", "i586", "i686", "x86"]),
    ("powerpc64", "ppc64le", &["ppc64el", "ppc64le"]),
    ("riscv64", "riscv64", &["riscv64"]),
    ("s390x", "s390x", &["s390x"]),
];

/// Whether this machine's sandbox can work on an image, with the tree of the one whose tools it takes beside its own; why not,
/// for people. Blocks.
pub(crate) fn suits<'a>(
    sandbox: &Sandbox,
    trees: impl IntoIterator<Item = &'a Tree>,
    architecture: &str,
) -> Result<(), String> {
    runs(architecture)?;
    has_room(sandbox, trees)?;
    sandbox.probe().map_err(|failure| failure.to_string())
}

/// Whether programs of an architecture run here; why not, for people.
pub(super) fn runs(architecture: &str) -> Result<(), String> {
    let here = std::env::consts::ARCH;
    let runs = MACHINES.iter().any(|(machine, _, all)| *machine == here && all.contains(&architecture));
    if runs { Ok(()) } else { Err(format!("programs of {architecture} do not run on {here}")) }
}

/// The same of a machine that a daemon names, as Go names it.
pub(in crate::executor) fn runs_on(machine: &str, architecture: &str) -> Result<(), String> {
    let runs = MACHINES.iter().any(|(_, go, all)| *go == machine && all.contains(&architecture));
    let machine: String = machine.chars().filter(|c| !c.is_control()).take(40).collect();
    if runs {
        Ok(())
    } else {
        Err(format!("programs of {architecture} do not run on the daemon's {machine}"))
    }
}

/// Whether a sandbox of this image finds room, with the one whose tools it takes; why not, for people.
pub(crate) fn has_room<'a>(
    sandbox: &Sandbox,
    trees: impl IntoIterator<Item = &'a Tree>,
) -> Result<(), String> {
    let nodes = trees.into_iter().flat_map(|tree| tree.under(""));
    let bytes: u64 = nodes.map(|(_, node)| node.entry.size).sum();
    let disk = sandbox.limits().disk_here();
    if bytes.saturating_add(ROOM) > disk {
        return Err(format!(
            "the image's {bytes} bytes leave no room on a disk of {disk}, which lies in memory"
        ));
    }
    Ok(())
}
