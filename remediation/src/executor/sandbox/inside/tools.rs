//! Tools that the image does not bring: the root of another image beside its tree, which they see as a folder.
//!
//! Whoever leaves that folder (chroot(2) keeps nobody in who may call it) finds the other image's files, and nothing else: both
//! lie on the sandbox's own disk.

use std::{fs, io::Read, os::fd::OwnedFd};

use rustix::fs::{Mode, OFlags};

use super::{Result, lay, root, unavailable};
use crate::executor::sandbox::{
    fault::{Failure, Fault},
    wire::{Job, Pieces, TARGET},
};

/// Where their root lies, in the image's tree.
const PLACE: &str = "/.patchline/tools";

/// The way back to the image's root, for as long as the tools' is the root.
pub(super) struct Away {
    image: OwnedFd,
}

impl Away {
    /// The tools' root is the root from here on.
    fn go() -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let image = rustix::fs::open("/", flags, Mode::empty()).map_err(unavailable("the image's root"))?;
        rustix::process::chroot(PLACE).map_err(unavailable("the tools' root"))?;
        rustix::process::chdir("/").map_err(unavailable("the tools' root"))?;
        Ok(Self { image })
    }
    /// The image's is, again.
    pub(super) fn back(self) -> Result<()> {
        rustix::process::fchdir(&self.image).map_err(unavailable("the image's root"))?;
        rustix::process::chroot(".").map_err(unavailable("the image's root"))
    }
}

/// Lays them, and shows them the image; needs the sandbox's own folder.
pub(super) fn lay(job: &Job, from: &mut impl Read) -> Result<()> {
    if job.tools == 0 {
        return Ok(());
    }
    let failed = |e: std::io::Error| root::full("the tools", &e);
    fs::create_dir(PLACE).map_err(failed)?;
    let away = Away::go()?;
    for number in 0..job.tools {
        let mut layer = Pieces::new(from);
        lay::layer(&mut layer).map_err(|e| root::full(&format!("layer {} of the tools", number + 1), &e))?;
        layer.skip().map_err(|e| Failure::io(Fault::Broken, "the parent", &e))?;
    }
    for folder in ["/dev", "/proc", TARGET] {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    away.back()?;
    let shown = unavailable("the image cannot be shown to the tools");
    for (there, here) in [("/", TARGET), ("/dev", "/dev"), ("/proc", "/proc")] {
        rustix::mount::mount_bind_recursive(there, format!("{PLACE}{here}")).map_err(&shown)?;
    }
    Ok(())
}

/// The root of those who work, if it is not the image's.
pub(super) fn enter(job: &Job) -> Result<Option<Away>> {
    if job.tools == 0 { Ok(None) } else { Away::go().map(Some) }
}
