//! Which of the host's ids a sandbox's are: never those of anybody else, and never the host's root (user_namespaces(7)).

use std::{fs, process::Command};

use super::{
    fault::{Failure, Fault},
    limits::IDS,
};

/// As root: above what hosts and their containers' managers give away.
const BASE: u32 = 0x7000_0000;

fn unavailable(reason: impl Into<String>) -> Failure {
    Failure::of(Fault::Unavailable, reason)
}

/// Gives the ids 0 to 65535 to the user namespace of a process that waits for them. As root they are a range of nobody's; as
/// anybody else, 0 is the caller and the rest are the caller's subordinate ids, mapped by newuidmap and newgidmap.
pub(super) fn give(process: u32) -> Result<(), Failure> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    if user.is_root() {
        for (file, own) in [("uid_map", "/proc/self/uid_map"), ("gid_map", "/proc/self/gid_map")] {
            let text = fs::read_to_string(own).map_err(|e| Failure::io(Fault::Unavailable, own, &e))?;
            let base = range(&text)
                .ok_or_else(|| unavailable(format!("fewer than {IDS} ids are to be given away here")))?;
            let map = format!("0 {base} {IDS}\n");
            fs::write(format!("/proc/{process}/{file}"), map)
                .map_err(|e| Failure::io(Fault::Unavailable, "ids cannot be mapped", &e))?;
        }
        return Ok(());
    }
    let name = name_of(user.as_raw());
    for (tool, file, own) in
        [("newuidmap", "/etc/subuid", user.as_raw()), ("newgidmap", "/etc/subgid", group.as_raw())]
    {
        let text = fs::read_to_string(file).map_err(|e| Failure::io(Fault::Unavailable, file, &e))?;
        let first = subordinate(&text, &name, user.as_raw())
            .ok_or_else(|| unavailable(format!("{file} gives {name} no range of {} ids", IDS - 1)))?;
        let numbers = [0, own, 1, 1, first, IDS - 1].map(|n| n.to_string());
        let done = Command::new(tool)
            .arg(process.to_string())
            .args(numbers)
            .output()
            .map_err(|e| Failure::io(Fault::Unavailable, tool, &e))?;
        if !done.status.success() {
            let said: String = String::from_utf8_lossy(&done.stderr).trim().chars().take(200).collect();
            return Err(unavailable(format!("{tool}: {said}")));
        }
    }
    Ok(())
}

/// The first of as many ids as a sandbox needs, out of those that this process itself has; never from 0.
fn range(map: &str) -> Option<u32> {
    let mut best = None;
    for line in map.lines() {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(inside)), Some(Ok(_)), Some(Ok(count)), None) =
            (numbers.next(), numbers.next(), numbers.next(), numbers.next())
        else {
            continue;
        };
        let end = inside.checked_add(count)?;
        let ids = u64::from(IDS);
        if inside <= u64::from(BASE) && u64::from(BASE) + ids <= end {
            return Some(BASE);
        }
        // In a container: the last ones, which its own programs have the least use for.
        if count >= ids && end - ids > 0 {
            best = u32::try_from(end - ids).ok().max(best);
        }
    }
    best
}

/// The first id of a range that is long enough (subuid(5)).
fn subordinate(text: &str, name: &str, user: u32) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut parts = line.trim().split(':');
        let (whose, first, count) =
            (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse::<u32>().ok()?);
        let ours = whose == name || whose.parse() == Ok(user);
        (ours && count >= IDS - 1 && first > 0).then_some(first)
    })
}

/// From `/etc/passwd`; the number where it has no name there.
fn name_of(user: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = passwd.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)?.parse() == Ok(user)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| user.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_nobody_elses() {
        assert_eq!(range("         0          0 4294967295\n"), Some(BASE));
        assert_eq!(
            range("0 100000 65536\n"),
            None,
            "all that there is would be the container's own, its root too"
        );
        assert_eq!(range("0 100000 131072\n"), Some(65_536));
        assert_eq!(range("0 1000 1\n1 100000 65535\n"), None);
        assert_eq!(range("x\n"), None);
        let file = "# x\nother:100000:65536\nme:5:10\nme:200000:65536\n7:300000:65536\n";
        assert_eq!(subordinate(file, "me", 3), Some(200_000));
        assert_eq!(subordinate(file, "you", 7), Some(300_000));
        assert_eq!(subordinate(file, "you", 8), None);
    }
}
