//! As whom an image's command is run: `USER`, the folder and the home that a container runtime would give it.

use std::{
    fs,
    io::{self, Read},
    path::Path,
    process::{Child, Command},
};

use rustix::thread::{Gid, Uid};

use super::Result;
use crate::executor::sandbox::{
    fault::{Failure, Fault},
    limits::IDS,
    wire::Tried,
};

/// Bytes of `/etc/passwd` and `/etc/group` that are read.
const MOST: u64 = 4 << 20;

/// Somebody of the image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Person {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    /// Where `HOME` leads unless the image says otherwise.
    pub(super) home: String,
}

/// Who is meant (OCI image spec, "config.User": `user`, `uid`, `user:group`, …), by the image's own files.
pub(super) fn find(tried: &Tried) -> Result<Person> {
    let failed = |e: io::Error| Failure::io(Fault::Broken, "the image's users", &e);
    let (passwd, group) = (read("/etc/passwd").map_err(failed)?, read("/etc/group").map_err(failed)?);
    of(&tried.user, &passwd, &group).map_err(|reason| Failure::of(Fault::Tool, reason))
}

fn read(file: &str) -> io::Result<String> {
    // One that is a pipe would be waited for.
    if !fs::metadata(file).is_ok_and(|there| there.is_file()) {
        return Ok(String::new());
    }
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn of(user: &str, passwd: &str, group: &str) -> Result<Person, String> {
    let (user, wanted_group) = user.split_once(':').unwrap_or((user, ""));
    // An image that names nobody means root.
    let user = if user.is_empty() { "0" } else { user };
    // A line is name:password:uid:gid:comment:home:shell (passwd(5)).
    let known =
        passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|parts| match parts[..] {
            [name, _, uid, _, ..] => name == user || (uid == user && is_number(user)),
            _ => false,
        });
    let shown = |text: &str| text.chars().filter(|c| !c.is_control()).take(80).collect::<String>();
    let id = |text: &str| {
        let number = text.parse::<u32>().ok().filter(|number| *number < IDS);
        number
            .ok_or_else(|| format!("`{}` is no id of the image's user: they end at {}", shown(text), IDS - 1))
    };
    let mut person = match &known {
        Some(parts) => Person {
            uid: id(parts[2])?,
            gid: id(parts[3])?,
            groups: Vec::new(),
            home: parts.get(5).filter(|home| !home.is_empty()).map_or("/", |home| *home).to_owned(),
        },
        None if is_number(user) => {
            Person { uid: id(user)?, gid: 0, groups: Vec::new(), home: "/".to_owned() }
        }
        None => return Err(format!("the image has no user `{}`, and is to be run as that", shown(user))),
    };
    // A line is name:password:gid:members (group(5)).
    let groups =
        || group.lines().map(|line| line.split(':').collect::<Vec<_>>()).filter(|parts| parts.len() > 2);
    if wanted_group.is_empty() {
        let name = known.as_ref().map(|parts| parts[0]);
        let is_in = |parts: &Vec<&str>| {
            parts.get(3).is_some_and(|all| all.split(',').any(|one| Some(one) == name && !one.is_empty()))
        };
        person.groups = groups().filter(is_in).filter_map(|parts| id(parts[2]).ok()).collect();
        return Ok(person);
    }
    let found = groups().find(|parts| parts[0] == wanted_group);
    person.gid = match found {
        Some(parts) => id(parts[2])?,
        None if is_number(wanted_group) => id(wanted_group)?,
        None => {
            return Err(format!(
                "the image has no group `{}`, and is to be run in that",
                shown(wanted_group)
            ));
        }
    };
    Ok(person)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

impl Person {
    /// The folder that a command begins in; made where the image has none, as container runtimes do.
    pub(super) fn enter(&self, folder: &str) -> Result<()> {
        let failed = |e: io::Error| Failure::of(Fault::Tool, format!("the image's working folder: {e}"));
        if Path::new(folder).is_dir() {
            return Ok(());
        }
        fs::create_dir_all(folder).map_err(failed)?;
        std::os::unix::fs::chown(folder, Some(self.uid), Some(self.gid)).map_err(failed)
    }

    /// Starts a program as this person. This process becomes it for as long as that takes and keeps the way back to itself,
    /// which no program that it starts has: execve(2) makes the saved id the effective one.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<Child> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        rustix::thread::set_thread_groups(&groups)?;
        rustix::thread::set_thread_res_gid(gid, gid, Gid::ROOT)?;
        rustix::thread::set_thread_res_uid(uid, uid, Uid::ROOT)?;
        let child = command.spawn();
        rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
        rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
        rustix::thread::set_thread_groups(&[])?;
        child
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_the_images() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nweb:x:33:44::/srv:/bin/false\nbroken\nfar:x:70000:0::/:/\n";
        let group = "root:x:0:\nweb:x:44:\nssl:x:101:other,web\nadm:x:4:root\nodd\n";
        let of = |user: &str| of(user, passwd, group);
        let person = |uid, gid, groups: &[u32], home: &str| {
            Ok(Person { uid, gid, groups: groups.to_vec(), home: home.to_owned() })
        };
        assert_eq!(of(""), person(0, 0, &[4], "/root"));
        assert_eq!(of("web"), person(33, 44, &[101], "/srv"));
        assert_eq!(of("33"), person(33, 44, &[101], "/srv"), "by number, too");
        assert_eq!(of("web:adm"), person(33, 4, &[], "/srv"));
        assert_eq!(of("web:7"), person(33, 7, &[], "/srv"));
        assert_eq!(of("1234"), person(1234, 0, &[], "/"), "nobody of the image's");
        assert!(of("nobody").unwrap_err().contains("no user `nobody`"));
        assert!(of("web:nogroup").unwrap_err().contains("no group `nogroup`"));
        assert!(of("far").is_err() && of("70000").is_err() && of("99999999999").is_err());
        assert!(!of("a\u{1b}[31m").unwrap_err().contains('\u{1b}'));
    }
}
