//! `mirrors`: where packages come from, and through which proxies.

use std::collections::BTreeMap;

use patchline_remediation::{
    Proxy, apk,
    apt::{Archives, Mirror, Mirrors},
    rpm,
};
use serde::Deserialize;

use super::addresses::{Address, resolved};
use crate::failure::{Failure, Result};

/// Where packages are mirrored.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct MirrorEntry {
    debian: Option<Address>,
    debian_security: Option<Address>,
    /// Debian's releases that have ended.
    debian_archive: Option<Address>,
    /// Ubuntu's archive: all suites of amd64 and i386.
    ubuntu: Option<Address>,
    /// Asked for their security suites first.
    ubuntu_security: Option<Address>,
    /// Ubuntu's archive of all other architectures.
    ubuntu_ports: Option<Address>,
    /// apt repositories that images name for themselves: how an address begins in an image, and where that is mirrored.
    apt: BTreeMap<String, Address>,
    /// Base of Alpine's branches.
    alpine: Option<Address>,
    /// Other apk repositories: how an address begins in an image, and where that is mirrored.
    apk: BTreeMap<String, Address>,
    /// rpm repositories: of a distribution by its os-release `ID`, or how an address begins in an image.
    rpm: BTreeMap<String, Vec<Address>>,
    /// What they are asked through.
    proxies: ProxyEntry,
}

/// One proxy for each kind of repository; where none is named, the environment's.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct ProxyEntry {
    debian: Option<Address>,
    ubuntu: Option<Address>,
    /// Of apt repositories that images name for themselves.
    apt: Option<Address>,
    /// Of Alpine's and all other apk repositories.
    apk: Option<Address>,
    rpm: Option<Address>,
}

fn proxy(address: Option<&Address>, of: &str) -> Result<Option<Proxy>> {
    let key = format!("mirrors.proxies.{of}");
    let wrong = |reason| Failure::usage("config-invalid", format!("`{key}`: {reason}"));
    resolved(address, &key)?.map(|address| Proxy::new(address).map_err(wrong)).transpose()
}

impl MirrorEntry {
    /// Of apt's repositories, with what is named as a secret read.
    pub(super) fn apt(&self) -> Result<Mirrors> {
        let others = self.apt.iter().map(|(from, to)| {
            Ok(Mirror { from: from.clone(), to: to.resolve(&format!("mirrors.apt.{from}"))? })
        });
        Ok(Mirrors {
            debian: Archives {
                main: resolved(self.debian.as_ref(), "mirrors.debian")?,
                security: resolved(self.debian_security.as_ref(), "mirrors.debian-security")?,
                ended: resolved(self.debian_archive.as_ref(), "mirrors.debian-archive")?,
                ports: None,
                proxy: proxy(self.proxies.debian.as_ref(), "debian")?,
            },
            ubuntu: Archives {
                main: resolved(self.ubuntu.as_ref(), "mirrors.ubuntu")?,
                security: resolved(self.ubuntu_security.as_ref(), "mirrors.ubuntu-security")?,
                ports: resolved(self.ubuntu_ports.as_ref(), "mirrors.ubuntu-ports")?,
                ended: None,
                proxy: proxy(self.proxies.ubuntu.as_ref(), "ubuntu")?,
            },
            others: others.collect::<Result<_>>()?,
            others_proxy: proxy(self.proxies.apt.as_ref(), "apt")?,
        })
    }
    /// Of apk repositories.
    pub(super) fn apk(&self) -> Result<apk::Mirrors> {
        let named = self.apk.iter().map(|(from, to)| (Some(from.clone()), to));
        let all = named.chain(self.alpine.iter().map(|to| (None, to)));
        let one = |(from, to): (Option<String>, &Address)| {
            let key = from.as_ref().map_or("mirrors.alpine".to_owned(), |from| format!("mirrors.apk.{from}"));
            Ok(apk::Mirror { to: to.resolve(&key)?, from })
        };
        let proxy = proxy(self.proxies.apk.as_ref(), "apk")?;
        Ok(apk::Mirrors { all: all.map(one).collect::<Result<_>>()?, proxy })
    }
    /// Of rpm repositories.
    pub(super) fn rpm(&self) -> Result<rpm::Mirrors> {
        let all = self.rpm.iter().flat_map(|(of, all)| all.iter().map(move |to| (of, to)));
        let one = |(of, to): (&String, &Address)| {
            Ok(rpm::Mirror { of: rpm::Of::named(of), to: to.resolve(&format!("mirrors.rpm.{of}"))? })
        };
        let proxy = proxy(self.proxies.rpm.as_ref(), "rpm")?;
        Ok(rpm::Mirrors { all: all.map(one).collect::<Result<_>>()?, proxy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_and_mirrors_are_read_and_what_is_wrong_is_told_by_its_place() {
        let read = |text: &str| serde_saphyr::from_str::<MirrorEntry>(text).expect("mirrors");
        let entry = read(
            "{debian: 'https://me:hush@mirror.example/debian', apt: {'https://packages.example/a': 'file:///srv/a'}, \
             proxies: {debian: 'http://me:hush@proxy.example:3128', apk: 'https://proxy.example'}}",
        );
        let mirrors = entry.apt().expect("mirrors");
        assert!(mirrors.debian.proxy.is_some() && mirrors.ubuntu.proxy.is_none());
        assert!(mirrors.others_proxy.is_none() && entry.apk().expect("mirrors").proxy.is_some());
        assert_eq!(mirrors.others[0].from, "https://packages.example/a");
        assert!(!format!("{entry:?} {mirrors:?}").contains("hush"));
        for of in ["debian", "ubuntu", "apt"] {
            let wrong = read(&format!("{{proxies: {{{of}: 'file:///me:hush@proxy.example'}}}}"));
            let failure = wrong.apt().expect_err("no proxy");
            let said = failure.causes.join(" ");
            assert!(said.contains(&format!("mirrors.proxies.{of}")) && !said.contains("hush"), "{said}");
        }
        let absent = read("{ubuntu: {env: PATCHLINE_TEST_NO_SUCH_VARIABLE}}");
        assert_eq!(absent.apt().expect_err("not set").code, "secret-missing");
    }
}
