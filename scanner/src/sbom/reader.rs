//! What is gathered while a document is read, and the inventory that becomes of it.

use std::collections::BTreeMap;

use patchline_registry::Digest;

use super::{
    claim::{self, Claim},
    limits,
    system::Systems,
};
use crate::{Inventory, Package, formats::clean, inventory, inventory::Evidence};

/// All that was understood so far, and how much was not.
#[derive(Debug)]
pub(super) struct Reader {
    /// Where packages of languages stand that do not say it themselves.
    document: String,
    pub(super) systems: Systems,
    packages: Vec<Package>,
    /// Why the document is not whole, in its own words or ours.
    pub(super) incomplete: Vec<String>,
    unreadable: Vec<String>,
    seen: usize,
    cut: bool,
    nameless: usize,
    refused: usize,
    /// Types of package URLs that nothing is known of, with how many there are.
    strange: BTreeMap<String, usize>,
}

impl Reader {
    pub(super) fn new(document: &str) -> Self {
        Self {
            document: clean(document, limits::sbom().text),
            systems: Systems::default(),
            packages: Vec::new(),
            incomplete: Vec::new(),
            unreadable: Vec::new(),
            seen: 0,
            cut: false,
            nameless: 0,
            refused: 0,
            strange: BTreeMap::new(),
        }
    }

    /// Whether one more component may be read.
    pub(super) fn count(&mut self) -> bool {
        self.cut |= self.seen >= limits::sbom().components;
        self.seen += 1;
        !self.cut
    }

    /// One without a package URL: nobody can say what it is.
    pub(super) fn nameless(&mut self) {
        self.nameless += 1;
    }

    pub(super) fn claim(&mut self, claim: Claim<'_>) {
        let label = clean(&format!("{} {}", claim.name, claim.version), limits::sbom().version);
        match claim.package(&self.document) {
            Ok(None) => {}
            Ok(Some((package, distro))) => {
                if let Some(distro) = distro {
                    self.systems.qualify(distro);
                }
                if !claim::is_known(package.kind()) {
                    *self.strange.entry(package.kind().to_ascii_lowercase()).or_default() += 1;
                }
                self.packages.push(package);
            }
            Err(reason) => {
                self.refused += 1;
                if self.unreadable.len() < limits::sbom().unreadable {
                    self.unreadable.push(format!("{}: {}: {reason}", self.document, label.trim()));
                }
            }
        }
    }

    /// The inventory, packages in the order that inventories of images have.
    pub(super) fn finish(mut self, image: Digest) -> Inventory {
        let (distro, doubt) = self.systems.finish();
        self.incomplete.extend(doubt);
        let components = |count: usize| match count {
            1 => "1 component".to_owned(),
            many => format!("{many} components"),
        };
        if self.cut {
            self.incomplete.push(format!("it lists more than {} components", limits::sbom().components));
        }
        if self.nameless > 0 {
            self.incomplete.push(format!("{} without a package URL", components(self.nameless)));
        }
        if self.refused > 0 {
            self.incomplete.push(format!("{} with a package URL that is none", components(self.refused)));
        }
        for (kind, count) in self.strange.iter().take(limits::sbom().reasons) {
            let kind = clean(kind, limits::sbom().version);
            self.incomplete.push(format!("{} of type {kind}, of which nothing is known", components(*count)));
        }
        let mut packages = self.packages;
        let place = |p: &Package| !p.is_of_system();
        packages.sort_by(|a, b| {
            place(a)
                .cmp(&place(b))
                .then_with(|| (&a.path, &a.name, &a.architecture).cmp(&(&b.path, &b.name, &b.architecture)))
                .then_with(|| (&a.version, &a.purl).cmp(&(&b.version, &b.purl)))
        });
        packages.dedup();
        Inventory {
            image,
            platform: inventory::platform(&packages),
            distro,
            database: database(&packages),
            packages,
            unread: Vec::new(),
            incomplete: self.incomplete,
            unreadable: self.unreadable,
            layers: Vec::new(),
        }
    }
}

/// The package manager of most of the operating system's packages.
fn database(packages: &[Package]) -> Option<String> {
    let count = |kind: &str| packages.iter().filter(|package| package.kind() == kind).count();
    let all = [("dpkg", count("deb")), ("apk", count("apk")), ("rpm", count("rpm"))];
    let most = all.into_iter().rev().max_by_key(|(_, count)| *count)?;
    (most.1 > 0).then(|| most.0.to_owned())
}

/// By the word that our own documents have for it.
pub(super) fn evidence(word: &str) -> Option<Evidence> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}
