//! Images as registries hold them: two hundred bases in families, each under many images; tags of one application, whose
//! own packages differ a little from one to the next.

use patchline_registry::{Digest, Platform};
use patchline_scanner::{Distro, Inventory, Package, inventory::Evidence};

use crate::corpus::{Corpus, ECOSYSTEMS};

/// Bases, and how many of them are one's updates.
const BASES: usize = 200;
const FAMILY: usize = 10;
/// Packages of a base, and of an image beside them.
const OF_BASE: usize = 300;
const OWN: usize = 100;
/// Tags of one application.
const TAGS: usize = 20;

/// A package of a language, and the versions that there are of it.
type Versions = (String, Vec<String>);

/// Makes any of them, by its number: the same each time.
pub(crate) struct Images {
    bases: Vec<Vec<Package>>,
    languages: Vec<(usize, Vec<Versions>)>,
}

/// Numbers without order, from whatever they hang on (splitmix64).
fn some(of: &[usize]) -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for part in of {
        state = (state ^ *part as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^= state >> 31;
    }
    (state >> 8) as usize
}

impl Images {
    pub(crate) fn new(corpus: &Corpus) -> Self {
        let mut all = corpus.0.iter();
        let debian = all.next().unwrap();
        let languages = (1..).zip(all.cloned()).collect();
        Self { bases: (0..BASES).map(|base| of_base(base, debian)).collect(), languages }
    }

    pub(crate) fn make(&self, n: usize) -> Inventory {
        let application = n / TAGS;
        let base = some(&[1, application, n % TAGS / 5]) % BASES;
        let layer = |of: &[usize]| Digest::of(format!("{of:?}").as_bytes());
        let below: Vec<Digest> = (0..3).map(|at| layer(&[base, at])).collect();
        let above: Vec<Digest> = (0..5).map(|at| layer(&[n, 9, at])).collect();
        let mut packages = self.bases[base].clone();
        let count = packages.len();
        for (at, package) in packages.iter_mut().enumerate() {
            // Each layer of a base brings a third; a few are upgraded in the image.
            package.layer = Some(below[3 * at / count].clone());
            if some(&[2, application, at]).is_multiple_of(100) {
                package.layer = Some(above[0].clone());
            }
        }
        let (place, names) = &self.languages[some(&[3, application]) % self.languages.len()];
        let mut own: Vec<Package> = (0..OWN)
            .map(|at| {
                let (name, versions) = &names[some(&[4, application, at]) % names.len()];
                let tag = if some(&[5, n, at]).is_multiple_of(8) { n } else { 0 };
                let version = &versions[some(&[6, application, at, tag]) % versions.len()];
                let layer = above[1 + some(&[7, application, at]) % 2].clone();
                Package { layer: Some(layer), ..of_language(*place, name, version) }
            })
            .collect();
        own.sort_by(|a, b| (&a.path, &a.name, &a.version).cmp(&(&b.path, &b.name, &b.version)));
        packages.extend(own);
        Inventory {
            image: Digest::of(format!("image {n}").as_bytes()),
            platform: Platform { architecture: "amd64".into(), os: "linux".into(), variant: None },
            distro: Some(Distro {
                id: "debian".into(),
                version_id: Some("12".into()),
                codename: Some("bookworm".into()),
                pretty_name: Some("Debian GNU/Linux 12 (bookworm)".into()),
            }),
            packages,
            database: Some("dpkg".into()),
            unread: Vec::new(),
            incomplete: Vec::new(),
            unreadable: Vec::new(),
            layers: below
                .into_iter()
                .chain(above)
                .map(|l| (l.clone(), Digest::of(l.as_str().as_bytes())))
                .collect(),
        }
    }
}

/// Bases of a family have the same packages, some of them in another version.
fn of_base(base: usize, debian: &[(String, Vec<String>)]) -> Vec<Package> {
    let family = base / FAMILY;
    let mut packages: Vec<Package> = (0..OF_BASE)
        .map(|at| {
            // Two or three binary packages of one source.
            let source = at * 2 / 5;
            let (name, versions) = &debian[some(&[8, family, source]) % debian.len()];
            let update = if some(&[9, base, source]).is_multiple_of(10) { base } else { 0 };
            let version = &versions[some(&[10, family, source, update]) % versions.len()];
            let binary = match at % 5 {
                0 | 2 => name.clone(),
                1 | 3 => format!("lib{name}{at}"),
                _ => format!("{name}-common{at}"),
            };
            Package {
                purl: format!("pkg:deb/debian/{binary}@{version}?arch=amd64&distro=debian-12"),
                name: binary,
                version: version.clone(),
                architecture: "amd64".into(),
                source: name.clone(),
                source_version: version.clone(),
                ..Package::default()
            }
        })
        .collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    packages
}

fn of_language(place: usize, name: &str, version: &str) -> Package {
    let kind = ECOSYSTEMS[place].2;
    let path = match kind {
        "pypi" => format!("usr/local/lib/python3.11/site-packages/{name}-{version}.dist-info/METADATA"),
        "npm" => format!("app/node_modules/{name}/package.json"),
        "gem" => format!("usr/local/bundle/specifications/{name}-{version}.gemspec"),
        _ => "usr/local/bin/server".to_owned(),
    };
    Package {
        name: name.to_owned(),
        version: version.to_owned(),
        source: name.to_owned(),
        source_version: version.to_owned(),
        purl: format!("pkg:{kind}/{name}@{version}"),
        path: Some(path),
        evidence: Some(if kind == "golang" { Evidence::BuildInfo } else { Evidence::Installed }),
        ..Package::default()
    }
}
