//! One file per command.

pub(crate) mod admin;
pub(crate) mod advise;
pub(crate) mod advisories;
pub(crate) mod attest;
pub(crate) mod base;
pub(crate) mod chain;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod fix;
pub(crate) mod image;
pub(crate) mod outbox;
pub(crate) mod runs;
pub(crate) mod sandbox_init;
pub(crate) mod scan;
pub(crate) mod serve;
pub(crate) mod worker;

use patchline_remediation::apt::{Archives, Mirrors};

/// Data for programs.
pub(crate) fn json<T: serde::Serialize + ?Sized>(value: &T) -> crate::failure::Result<()> {
    let text =
        crate::pretty::text(value).map_err(|error| crate::failure::Failure::new("output-failed", &error))?;
    crate::terminal::out(&text);
    Ok(())
}

/// Where packages come from.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct MirrorFlags {
    /// Base address of a Debian mirror [default: this machine's apt configuration]
    #[arg(long, value_name = "URL")]
    mirror: Option<url::Url>,
    /// Base address of a mirror of Debian's security archive
    #[arg(long, value_name = "URL")]
    security_mirror: Option<url::Url>,
    /// The folder that holds `debian` and `debian-security` of releases that have ended, asked where the mirrors no
    /// longer have one
    #[arg(long, value_name = "URL")]
    archive_mirror: Option<url::Url>,
    /// Base address of a mirror of Ubuntu's archive: all suites of amd64 and i386 [default: this machine's apt
    /// configuration, where it is an Ubuntu]
    #[arg(long, value_name = "URL")]
    ubuntu_mirror: Option<url::Url>,
    /// Base address of a mirror of Ubuntu's security archive [default: --ubuntu-mirror]
    #[arg(long, value_name = "URL")]
    ubuntu_security_mirror: Option<url::Url>,
    /// Base address of a mirror of Ubuntu's ports: all suites of all other architectures
    #[arg(long, value_name = "URL")]
    ubuntu_ports_mirror: Option<url::Url>,
    /// Where an apt repository is mirrored that the image names for itself, FROM=TO: how its address begins in the image, and
    /// the address or folder that stands there instead [default: none is asked]
    #[arg(long = "apt-mirror", value_name = "FROM=TO")]
    apt_mirrors: Vec<patchline_remediation::apt::Mirror>,
    /// A keyring file that the suites' signatures are checked with, instead of this machine's keyrings of Debian and Ubuntu,
    /// and of the keys that the image names for its own repositories
    #[arg(long = "keyring", value_name = "FILE")]
    keyrings: Vec<std::path::PathBuf>,
    /// Accept a suite whose Valid-Until has passed
    #[arg(long)]
    allow_expired: bool,
    /// Where apk repositories are mirrored: the address or folder that holds v3.20/main, or FROM=TO for one that
    /// begins otherwise in the image [default: none]
    #[arg(long = "apk-mirror", value_name = "URL")]
    apk_mirrors: Vec<patchline_remediation::apk::Mirror>,
    /// A public key of apk repositories, or a folder of them, instead of those that the image's packages brought
    #[arg(long = "apk-key", value_name = "FILE")]
    apk_keys: Vec<std::path::PathBuf>,
    /// Where an rpm repository is mirrored: the address or folder that holds repodata, ID=URL for one distribution's
    /// (azurelinux=…), or FROM=TO for an address in the image; $releasever and $basearch are the image's [default: none]
    #[arg(long = "rpm-mirror", value_name = "URL")]
    rpm_mirrors: Vec<patchline_remediation::rpm::Mirror>,
    /// A file of OpenPGP keys of rpm repositories, or a folder of them, instead of this machine's
    #[arg(long = "rpm-key", value_name = "FILE")]
    rpm_keys: Vec<std::path::PathBuf>,
    /// An image of the same distribution whose rpm works on images that have rpm's database and no rpm; of several, the
    /// first that fits [default: `tooling` of the configuration]
    #[arg(long = "tooling", value_name = "IMAGE")]
    tooling: Vec<String>,
}

impl MirrorFlags {
    /// The mirrors that were given.
    pub(crate) fn mirrors(&self) -> Mirrors {
        Mirrors {
            debian: Archives {
                main: self.mirror.clone(),
                security: self.security_mirror.clone(),
                ended: self.archive_mirror.clone(),
                ..Archives::default()
            },
            ubuntu: Archives {
                main: self.ubuntu_mirror.clone(),
                security: self.ubuntu_security_mirror.clone(),
                ports: self.ubuntu_ports_mirror.clone(),
                ..Archives::default()
            },
            others: self.apt_mirrors.clone(),
            ..Mirrors::default()
        }
    }
    /// The keyrings that were given.
    pub(crate) fn keyrings(&self) -> Vec<std::path::PathBuf> {
        self.keyrings.clone()
    }
    /// Whether expired suites are taken.
    pub(crate) fn allow_expired(&self) -> bool {
        self.allow_expired
    }
    /// What was given for apk.
    pub(crate) fn apk_flags(&self) -> crate::wiring::ApkFlags {
        let mirrors = patchline_remediation::apk::Mirrors { all: self.apk_mirrors.clone(), proxy: None };
        crate::wiring::ApkFlags { mirrors, keys: self.apk_keys.clone() }
    }
    /// What was given for rpm.
    pub(crate) fn rpm_flags(&self) -> crate::wiring::RpmFlags {
        let mirrors = patchline_remediation::rpm::Mirrors { all: self.rpm_mirrors.clone(), proxy: None };
        crate::wiring::RpmFlags { mirrors, keys: self.rpm_keys.clone(), tooling: self.tooling.clone() }
    }
    /// A client of rpm repositories over flags and configuration, in this order.
    pub(crate) fn rpm(
        &self,
        config: &crate::config::Config,
        data: &crate::data::Data,
    ) -> crate::failure::Result<patchline_remediation::rpm::Rpm> {
        crate::wiring::rpm(config, data, self.rpm_flags())
    }
    /// Images whose tools may be taken, by flags and configuration, in this order.
    pub(crate) fn tooling(
        &self,
        config: &crate::config::Config,
        registries: &patchline_registry::Registries,
    ) -> crate::failure::Result<Option<patchline_remediation::Tooling>> {
        crate::wiring::tooling(config, registries, &self.tooling)
    }
    /// A client of apk repositories over flags and configuration, in this order.
    pub(crate) fn apk(
        &self,
        config: &crate::config::Config,
        data: &crate::data::Data,
    ) -> crate::failure::Result<patchline_remediation::apk::Apk> {
        crate::wiring::apk(config, data, self.apk_flags())
    }
    /// A client over flags, configuration and machine, in this order.
    pub(crate) fn apt(
        &self,
        config: &crate::config::Config,
        data: &crate::data::Data,
    ) -> crate::failure::Result<patchline_remediation::apt::Apt> {
        crate::wiring::apt(config, data, self.mirrors(), self.keyrings(), self.allow_expired)
    }
}
