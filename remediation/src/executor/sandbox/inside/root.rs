//! A root of its own: one tmpfs that goes with the mount namespace, a minimal /dev, a /proc of the sandbox, and nothing of the host.

use std::{
    ffi::CString,
    fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink},
};

use rustix::{
    fs::Mode,
    mount::{MountFlags, MountPropagationFlags, UnmountFlags},
    process::{Resource, Rlimit},
    thread::CapabilitySet,
};

use super::{Result, unavailable};
use crate::executor::sandbox::{
    fault::{Failure, Fault},
    limits::{BURST, FILES, Limits},
    wire::FOLDER,
};

/// Where the new root is mounted until it is the root. Every host has this folder, and what it covers is not needed any more.
const PLACE: &str = "/proc";
/// The host's, bound as they are: a user namespace cannot make devices.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
/// What a script that asks is told of services (Debian's invoke-rc.d(8)): none may be started.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// What the tools of a distribution need to own, re-mode and configure files; without the rest a script can mount, trace and
/// reach nothing, in its own namespace neither.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::AUDIT_WRITE);

/// A disk that has no room is told apart from all else.
pub(super) fn full(what: &str, error: &io::Error) -> Failure {
    let fault = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge => Fault::Disk,
        _ => Fault::Broken,
    };
    Failure::io(fault, what, error)
}

/// Leaves the host's files behind for good.
pub(super) fn enter(disk: u64) -> Result<()> {
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(unavailable("mounts cannot be made private"))?;
    let plain = MountFlags::NOSUID | MountFlags::NODEV;
    memory(PLACE, plain, &format!("size={disk},nr_inodes={FILES},mode=0755"))?;
    let made = |e: io::Error| Failure::io(Fault::Unavailable, "a root cannot be made", &e);
    for folder in ["dev", "proc", "sys"] {
        fs::create_dir(format!("{PLACE}/{folder}")).map_err(made)?;
    }
    let dev = format!("{PLACE}/dev");
    memory(&dev, MountFlags::NOSUID | MountFlags::NOEXEC, "size=1m,nr_inodes=256,mode=0755")?;
    for name in DEVICES {
        let (host, here) = (format!("/dev/{name}"), format!("{dev}/{name}"));
        fs::File::create(&here).map_err(made)?;
        rustix::mount::mount_bind(&host, &here).map_err(unavailable("a device cannot be bound"))?;
    }
    for (name, target) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")]
    {
        symlink(target, format!("{dev}/{name}")).map_err(made)?;
    }
    let shm = format!("{dev}/shm");
    fs::create_dir(&shm).map_err(made)?;
    fs::set_permissions(&shm, fs::Permissions::from_mode(0o1777)).map_err(made)?;
    let proc = format!("{PLACE}/proc");
    rustix::mount::mount("proc", &proc, "proc", plain | MountFlags::NOEXEC, None)
        .map_err(unavailable("a /proc of its own cannot be mounted"))?;
    rustix::process::chdir(PLACE).map_err(unavailable("the new root"))?;
    rustix::process::pivot_root(".", ".").map_err(unavailable("the new root"))?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(unavailable("the old root"))?;
    rustix::process::chdir("/").map_err(unavailable("the new root"))
}

fn memory(at: &str, flags: MountFlags, options: &str) -> Result<()> {
    let options = CString::new(options).map_err(|e| Failure::io(Fault::Broken, "options", &e))?;
    rustix::mount::mount("tmpfs", at, "tmpfs", flags, options.as_c_str())
        .map_err(unavailable("a tmpfs cannot be mounted"))
}

/// Lays the policy that starts nothing; whether it is a file that the image did not have.
pub(super) fn no_services() -> io::Result<bool> {
    if !fs::metadata("/usr/sbin").is_ok_and(|folder| folder.is_dir()) {
        return Ok(false);
    }
    let own =
        if fs::symlink_metadata(POLICY).is_ok() { format!("{}/policy", FOLDER) } else { POLICY.to_owned() };
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(&own)?;
    file.write_all(b"#!/bin/sh\nexit 101\n")?;
    drop(file);
    if own == POLICY {
        return Ok(true);
    }
    // The image has one of its own, which stays under ours.
    rustix::mount::mount_bind(&own, POLICY)?;
    Ok(false)
}

/// Names of its own, which a container runtime gives every container: who serves or asks `localhost` finds it. Where the image has some, they
/// stay; a folder that cannot be written to is the image's own doing.
pub(super) fn hosts() {
    const HOSTS: &str = "/etc/hosts";
    let empty = fs::metadata(HOSTS).map_or(true, |there| there.is_file() && there.len() == 0);
    if empty {
        let _ = fs::write(HOSTS, "127.0.0.1\tlocalhost sandbox\n::1\tlocalhost\n");
    }
}

/// Limits of each process, and no right that the tools do not need: for whatever is started from here on. `room`: what one process may
/// write to of its own is bounded, too; programs that ask for far more than they use cannot start then. What they only reserve does not
/// count: a JVM reserves a quarter of the machine, and packages' scripts start one.
pub(super) fn restrict(limits: &Limits, room: bool) -> Result<()> {
    let limit = |resource, most: u64| {
        let most = Some(most);
        rustix::process::setrlimit(resource, Rlimit { current: most, maximum: most })
            .map_err(unavailable("a limit cannot be set"))
    };
    if room {
        limit(Resource::Data, limits.memory.saturating_mul(2))?;
    }
    // Far beyond the number at which the whole ends: who is refused a process by the kernel ends by himself, and nobody has seen it.
    limit(Resource::Nproc, limits.processes.saturating_add(BURST))?;
    limit(Resource::Fsize, limits.disk)?;
    limit(Resource::Core, 0)?;
    // Linux has 41; a kernel that does not know one says so, and then nobody has it.
    for number in 0..64 {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if KEPT.contains(one) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(one) {
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(unavailable("a right cannot be given up")(error)),
        }
    }
    // In a user namespace of its own a script would have every right again (namespaces(7), /proc/sys/user).
    fs::write("/proc/sys/user/max_user_namespaces", "0")
        .map_err(|e| Failure::io(Fault::Unavailable, "namespaces in it cannot be forbidden", &e))?;
    rustix::thread::set_no_new_privs(true).map_err(unavailable("prctl"))?;
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    super::calls::filter()?;
    Ok(())
}
