//! The operating system that a document names.

use std::collections::BTreeMap;

use crate::{Distro, packages::os_release};

/// Names that scanners have for what os-release(5) calls otherwise.
const OTHERS: [(&str, &str); 10] = [
    ("alma", "almalinux"),
    ("amazon", "amzn"),
    ("cbl-mariner", "mariner"),
    ("opensuse.leap", "opensuse-leap"),
    ("opensuse.tumbleweed", "opensuse-tumbleweed"),
    ("oracle", "ol"),
    ("redhat", "rhel"),
    ("suse linux enterprise micro", "sle-micro"),
    ("suse linux enterprise server", "sles"),
    ("azure linux", "azurelinux"),
];

/// A distribution by its parts, empty where they are not said; none: they name none.
pub(super) fn distro(id: &str, version: &str, codename: &str, pretty: &str) -> Option<Distro> {
    let id = id.to_ascii_lowercase();
    let id = OTHERS.iter().find(|(name, _)| *name == id).map_or(id.as_str(), |(_, id)| id);
    // `2 (Karoo)`
    let version = version.split_whitespace().next().unwrap_or_default();
    os_release::of_parts(id, version, codename, pretty)
}

/// All that a document says about it.
#[derive(Debug, Default)]
pub(super) struct Systems {
    /// Outright, in its order, each once.
    named: Vec<Distro>,
    /// By package URLs, with how many say so.
    qualified: BTreeMap<String, (Distro, usize)>,
}

impl Systems {
    /// The document lists an operating system.
    pub(super) fn name(&mut self, distro: Option<Distro>) {
        // More than two say no more than two.
        if let Some(distro) = distro.filter(|d| self.named.len() < 2 && !self.named.contains(d)) {
            self.named.push(distro);
        }
    }

    /// A package names the one that it is of.
    pub(super) fn qualify(&mut self, distro: Distro) {
        let key = label(&distro);
        self.qualified.entry(key).or_insert((distro, 0)).1 += 1;
    }

    /// The system, and what cannot be right about it; the first that is listed, else the one that most packages name.
    pub(super) fn finish(self) -> (Option<Distro>, Option<String>) {
        let most = self.qualified.into_values().max_by_key(|(_, count)| *count).map(|(distro, _)| distro);
        match &self.named[..] {
            [first, second] => {
                let (first_, second) = (label(first), label(second));
                let doubt = format!("it lists {first_} and {second}: all packages are taken for {first_}'s");
                (Some(first.clone()), Some(doubt))
            }
            [only, ..] => (Some(only.clone()), None),
            [] => (most, None),
        }
    }
}

fn label(distro: &Distro) -> String {
    let release = distro.version_id.as_ref().or(distro.codename.as_ref());
    format!("{} {}", distro.id, release.map_or("", String::as_str)).trim_end().to_owned()
}
