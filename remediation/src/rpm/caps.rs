//! File capabilities: from the text that rpm keeps (cap_to_text(3)) to the attribute that the kernel reads
//! (`security.capability`, version 2 of `struct vfs_cap_data`).

/// The attribute's name.
pub(super) const NAME: &str = "security.capability";

/// In the order of their numbers (capabilities(7)).
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// None: it is no text of that form, or says what the attribute cannot.
pub(super) fn attribute(text: &str) -> Option<Vec<u8>> {
    let (mut permitted, mut inheritable, mut effective) = (0u64, 0u64, 0u64);
    for clause in text.split_whitespace() {
        let at = clause.find(['=', '+', '-'])?;
        let (names, mut rest) = clause.split_at(at);
        let mut of = 0u64;
        for name in names.split(',') {
            of |= match name {
                "" | "all" => (1 << NAMES.len()) - 1,
                name => 1 << NAMES.iter().position(|known| name.strip_prefix("cap_") == Some(known))?,
            };
        }
        while let Some(operator) = rest.chars().next() {
            let flags = &rest[1..];
            let end = flags.find(['=', '+', '-']).unwrap_or(flags.len());
            if operator == '=' {
                (permitted, inheritable, effective) = (permitted & !of, inheritable & !of, effective & !of);
            }
            for flag in flags[..end].chars() {
                let set = match flag {
                    'p' => &mut permitted,
                    'i' => &mut inheritable,
                    'e' => &mut effective,
                    _ => return None,
                };
                *set = if operator == '-' { *set & !of } else { *set | of };
            }
            rest = &flags[end..];
        }
    }
    // The attribute has one bit for all of them.
    if effective != 0 && effective != permitted | inheritable {
        return None;
    }
    let mut bytes = (0x0200_0000u32 | u32::from(effective != 0)).to_le_bytes().to_vec();
    for half in [0, 32] {
        for set in [permitted, inheritable] {
            bytes.extend(((set >> half) as u32).to_le_bytes());
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_setcap_writes_them() {
        let ping = "0100000200200000000000000000000000000000";
        for text in ["cap_net_raw=ep", "cap_net_raw+ep", "= cap_net_raw+ep", "cap_net_raw+epi-i"] {
            assert_eq!(attribute(text).map(hex::encode).as_deref(), Some(ping), "{text}");
        }
        let two = attribute("cap_net_bind_service,cap_bpf=p").map(hex::encode);
        assert_eq!(two.as_deref(), Some("0000000200040000000000008000000000000000"));
        for text in ["cap_nothing=p", "cap_net_raw", "cap_net_raw=x", "cap_net_raw=ep cap_bpf=p"] {
            assert_eq!(attribute(text), None, "{text}");
        }
    }
}
