//! A filter of system calls (seccomp(2)) for all that runs in a sandbox: what no tool, script or program of an image needs, and
//! what has often been a way out of namespaces.
//!
//! Everything else is let through: which calls an image's programs make is theirs to choose, and a list of what is allowed would
//! be wrong with the next libc.

use libc::{EAFNOSUPPORT, ENOSYS, EPERM};
use seccompiler::sock_filter;

use super::Result;
use crate::executor::sandbox::fault::{Failure, Fault};

/// Classic BPF (linux/bpf_common.h): load a word, compare with a constant, give an answer.
const LOAD: u16 = 0x20;
const IS: u16 = 0x15;
const IS_AT_LEAST: u16 = 0x35;
const HAS_ANY: u16 = 0x45;
const ANSWER: u16 = 0x06;

/// Where in `struct seccomp_data` (linux/seccomp.h); both machines are little-endian.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;
const ERROR: u32 = 0x0005_0000;

/// Any of the flags that make a namespace, but CLONE_NEWTIME, whose bit means something else to clone(2).
const NAMESPACES: u32 = 0x7e02_0000;
/// Unix, IPv4, IPv6, netlink: there is nobody else to speak with in there, and AF_VSOCK knows no network namespaces.
const FAMILIES: &[u32] = &[1, 2, 10, 16];

/// One machine's calls by number.
struct Calls {
    /// AUDIT_ARCH_* (linux/audit.h).
    architecture: u32,
    /// From here on they are another machine's (x32).
    foreign_from: Option<u32>,
    /// Never permitted.
    denied: &'static [u32],
    /// Looked for by programs that do without.
    missing: &'static [u32],
    clone: u32,
    unshare: u32,
    socket: u32,
}

/// The names are libc's; the casts take numbers far below 1,000.
macro_rules! numbers {
    ($($name:ident)*) => { &[$(libc::$name as u32),*] };
}

const OWN: Calls = Calls {
    #[cfg(target_arch = "x86_64")]
    architecture: 0xc000_003e,
    #[cfg(target_arch = "aarch64")]
    architecture: 0xc000_00b7,
    foreign_from: if cfg!(target_arch = "x86_64") { Some(0x4000_0000) } else { None },
    denied: numbers!(
        SYS_mount SYS_umount2 SYS_pivot_root SYS_move_mount SYS_open_tree SYS_fsopen SYS_fsconfig SYS_fsmount
        SYS_fspick SYS_mount_setattr SYS_setns SYS_swapon SYS_swapoff SYS_acct SYS_quotactl SYS_reboot
        SYS_add_key SYS_request_key SYS_keyctl SYS_bpf SYS_perf_event_open SYS_userfaultfd
        SYS_kexec_load SYS_kexec_file_load SYS_init_module SYS_finit_module SYS_delete_module
        SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_open_by_handle_at
    ),
    missing: numbers!(SYS_clone3 SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register),
    clone: libc::SYS_clone as u32,
    unshare: libc::SYS_unshare as u32,
    socket: libc::SYS_socket as u32,
};

/// Programs of i386 run on the same kernel, and 64-bit ones can make its calls: the same list by its numbers (asm/unistd_32.h).
/// What it does by socketcall(2) stands in memory, which no filter reads.
#[cfg(target_arch = "x86_64")]
const OLDER: &[Calls] = &[Calls {
    architecture: 0x4000_0003,
    foreign_from: None,
    denied: &[
        21, 22, 52, 217, 429, 428, 430, 431, 432, 433, 442, 346, 87, 115, 51, 131, 88, 286, 287, 288, 357,
        336, 374, 283, 128, 350, 129, 26, 347, 348, 342,
    ],
    missing: &[435, 425, 426, 427],
    clone: 120,
    unshare: 310,
    socket: 359,
}];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[Calls] = &[];

/// From here on for this process and all that it starts; there is no way back.
pub(super) fn filter() -> Result<()> {
    let program = program()?;
    seccompiler::apply_filter(&program)
        .map_err(|e| Failure::io(Fault::Unavailable, "system calls cannot be filtered", &e))
}

fn program() -> Result<Vec<sock_filter>> {
    let mut program = vec![step(LOAD, ARCHITECTURE, 0, 0)];
    for calls in std::iter::once(&OWN).chain(OLDER) {
        let body = body(calls);
        let over = u8::try_from(body.len())
            .map_err(|_| Failure::of(Fault::Broken, "its filter is longer than a jump"))?;
        program.push(step(IS, calls.architecture, 0, over));
        program.extend(body);
    }
    program.push(step(ANSWER, KILL, 0, 0));
    Ok(program)
}

/// What a call of this machine is answered.
fn body(calls: &Calls) -> Vec<sock_filter> {
    let error = |number: i32| step(ANSWER, ERROR | number.unsigned_abs(), 0, 0);
    let allow = || step(ANSWER, ALLOW, 0, 0);
    let mut body = vec![step(LOAD, NUMBER, 0, 0)];
    if let Some(from) = calls.foreign_from {
        body.extend([step(IS_AT_LEAST, from, 0, 1), error(ENOSYS)]);
    }
    for number in calls.denied {
        body.extend([step(IS, *number, 0, 1), error(EPERM)]);
    }
    // clone3's flags stand in memory; every libc falls back to clone.
    for number in calls.missing {
        body.extend([step(IS, *number, 0, 1), error(ENOSYS)]);
    }
    for number in [calls.clone, calls.unshare] {
        let look = [step(LOAD, FIRST_ARGUMENT, 0, 0), step(HAS_ANY, NAMESPACES, 0, 1), error(EPERM), allow()];
        body.extend([step(IS, number, 0, 4)].into_iter().chain(look));
    }
    let families = FAMILIES.iter().flat_map(|family| [step(IS, *family, 0, 1), allow()]);
    body.push(step(IS, calls.socket, 0, 2 + 2 * FAMILIES.len() as u8));
    body.push(step(LOAD, FIRST_ARGUMENT, 0, 0));
    body.extend(families);
    body.push(error(EAFNOSUPPORT));
    body.push(allow());
    body
}

fn step(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would answer.
    fn answer(architecture: u32, number: u32, argument: u32) -> u32 {
        let program = program().unwrap();
        let (mut at, mut word) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at].clone();
            at += 1;
            let jump = |holds: bool| usize::from(if holds { jt } else { jf });
            match code {
                LOAD => {
                    word = match k {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        FIRST_ARGUMENT => argument,
                        other => panic!("nothing stands at {other}"),
                    }
                }
                IS => at += jump(word == k),
                IS_AT_LEAST => at += jump(word >= k),
                HAS_ANY => at += jump(word & k != 0),
                ANSWER => return k,
                other => panic!("{other:#x} is no instruction"),
            }
        }
    }

    #[test]
    fn each_call_has_its_answer() {
        let error = |number: i32| ERROR | number as u32;
        for calls in std::iter::once(&OWN).chain(OLDER) {
            let ask = |number, argument| answer(calls.architecture, number, argument);
            for number in calls.denied {
                assert_eq!(ask(*number, 0), error(EPERM), "{number}");
            }
            for number in calls.missing {
                assert_eq!(ask(*number, 0), error(ENOSYS), "{number}");
            }
            for number in [calls.clone, calls.unshare] {
                assert_eq!(ask(number, 0x0120_0011), ALLOW, "fork, as libc makes it");
                for namespace in [0x0002_0000, 0x0200_0000, 0x1000_0011, 0x4000_0000] {
                    assert_eq!(ask(number, namespace), error(EPERM), "{namespace:#x}");
                }
            }
            for family in FAMILIES {
                assert_eq!(ask(calls.socket, *family), ALLOW);
            }
            assert_eq!(ask(calls.socket, 40), error(EAFNOSUPPORT), "AF_VSOCK");
            assert_eq!(ask(calls.socket + 1000, 40), ALLOW);
        }
        assert_eq!(answer(OWN.architecture, libc::SYS_openat as u32, 40), ALLOW);
        assert_eq!(answer(OWN.architecture, libc::SYS_execve as u32, 40), ALLOW);
        assert_eq!(answer(0xc000_0015, 1, 0), KILL, "a machine that this is not");
        #[cfg(target_arch = "x86_64")]
        assert_eq!(answer(OWN.architecture, 0x4000_0000 | 165, 0), error(ENOSYS), "mount by x32's number");
    }
}
