//! The sandbox's own loopback, for services that an image's command starts and asks: it leads nowhere else.

use std::fs;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::{Result, unavailable};
use crate::executor::sandbox::fault::{Failure, Fault};

/// RTM_NEWLINK with NLM_F_REQUEST and NLM_F_ACK (rtnetlink(7), netlink(7)).
const NEW_LINK: u16 = 16;
const REQUEST_AND_ACK: u16 = 1 | 4;
const ERROR: u16 = 2;
/// The first interface of every network namespace.
const LOOPBACK: i32 = 1;
/// IFF_UP (netdevice(7)).
const UP: u32 = 1;
/// Bytes of a message's head, and of the message as a whole.
const HEAD: usize = 16;
const LENGTH: u32 = 32;

/// Brings it up, and lets everybody serve below port 1024, as container runtimes do.
pub(super) fn up() -> Result<()> {
    let failed = unavailable("its loopback cannot be brought up");
    let flags = SocketFlags::CLOEXEC;
    let socket =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None).map_err(&failed)?;
    rustix::net::send(&socket, &message(), SendFlags::empty()).map_err(&failed)?;
    let mut answer = [0; 256];
    let (length, _) = rustix::net::recv(&socket, &mut answer, RecvFlags::empty()).map_err(&failed)?;
    match said(&answer[..length]) {
        Some(0) => {}
        said => {
            let reason = format!("its loopback cannot be brought up: the kernel said {said:?}");
            return Err(Failure::of(Fault::Unavailable, reason));
        }
    }
    fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
        .map_err(|e| Failure::io(Fault::Unavailable, "its ports cannot be opened to all", &e))
}

fn message() -> Vec<u8> {
    let mut message = Vec::with_capacity(LENGTH as usize);
    message.extend(LENGTH.to_ne_bytes());
    message.extend(NEW_LINK.to_ne_bytes());
    message.extend(REQUEST_AND_ACK.to_ne_bytes());
    // A number of the message, and a sender that the kernel fills in.
    message.extend([1_u32, 0].map(u32::to_ne_bytes).concat());
    // struct ifinfomsg: family and type are left open.
    message.extend([0; 4]);
    message.extend(LOOPBACK.to_ne_bytes());
    // What is set, and which of the flags count.
    message.extend([UP, UP].map(u32::to_ne_bytes).concat());
    message
}

/// The number of the error that an answer carries; 0: none.
fn said(answer: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let number = i32::from_ne_bytes(answer.get(HEAD..HEAD + 4)?.try_into().ok()?);
    (kind == ERROR).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_long_as_they_say() {
        assert_eq!(message().len(), LENGTH as usize);
        let mut answer = vec![0; 36];
        answer[4..6].copy_from_slice(&ERROR.to_ne_bytes());
        assert_eq!(said(&answer), Some(0));
        answer[16..20].copy_from_slice(&(-1_i32).to_ne_bytes());
        assert_eq!(said(&answer), Some(-1));
        assert_eq!(said(&answer[..18]), None);
    }
}
