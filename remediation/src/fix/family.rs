//! Which package database an image has, and so which way it is mended.

use patchline_scanner::{Distro, Finding, version::Order};

use crate::{Error, tree::Flavour};

/// Whether apk's packages carry a finding, by its own database.
pub(crate) fn is_apks(finding: &Finding) -> bool {
    finding.paths.is_empty() && Order::of_ecosystem(&finding.ecosystem) == Some(Order::Apk)
}

/// Whether rpm's packages carry a finding, by its own database.
pub(crate) fn is_rpms(finding: &Finding) -> bool {
    finding.paths.is_empty() && Order::of_ecosystem(&finding.ecosystem) == Some(Order::Rpm)
}

/// Whether packages of a system that we can mend carry it: dpkg's, apk's, or rpm's.
pub fn is_systems(finding: &Finding) -> bool {
    finding.is_deb() || is_apks(finding) || is_rpms(finding)
}

/// Which database os-release lets expect. The tree itself decides: it is read for the other where this was wrong.
pub(crate) fn expected(distro: Option<&Distro>) -> Flavour {
    const APK: [&str; 6] = ["alpine", "wolfi", "chainguard", "postmarketos", "alpaquita", "minimos"];
    const RPM: [&str; 14] = [
        "azurelinux",
        "mariner",
        "fedora",
        "rhel",
        "rocky",
        "almalinux",
        "centos",
        "ol",
        "amzn",
        "sles",
        "opensuse-leap",
        "opensuse-tumbleweed",
        "photon",
        "openEuler",
    ];
    match distro {
        Some(distro) if APK.contains(&distro.id.as_str()) => Flavour::Apk,
        Some(distro) if RPM.contains(&distro.id.as_str()) => Flavour::Rpm,
        _ => Flavour::Dpkg,
    }
}

/// Nothing that we can mend.
pub(crate) fn none(distro: Option<&Distro>) -> Error {
    let system = distro.map_or("the image".to_owned(), |distro| {
        distro.pretty_name.clone().unwrap_or_else(|| distro.id.clone())
    });
    Error::UnsupportedSystem { system, reason: "it has no database of dpkg, apk or rpm".to_owned() }
}
