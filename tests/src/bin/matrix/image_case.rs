//! One image of the matrix: fixed, judged, and fixed by the other executor.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use patchline_tests::image::Layout;

use crate::{
    assemble::{self, Image},
    differences::{self, Entry, Pair},
    distro,
    fixing::{self, Fixed},
    inside::Root,
    judge,
    reissued::Release,
    rootfs::{Rootfs, Set},
    table::Row,
    unpack,
    variant::{PLAIN, Variant},
};

/// What all images share.
pub(crate) struct Ground {
    /// What is kept.
    pub(crate) folder: PathBuf,
    /// What goes.
    pub(crate) work: PathBuf,
    /// Our data folder, whose cache all fixes share.
    pub(crate) data: PathBuf,
    /// The archives' mirrors, main and security.
    pub(crate) mirrors: (String, String),
    pub(crate) entries: Vec<Entry>,
    pub(crate) used: BTreeSet<usize>,
    /// `suite/variant` that both executors went over.
    pub(crate) ran: BTreeSet<String>,
    /// Packages that go up in a set nobody changed.
    goes_up: BTreeMap<String, Vec<String>>,
}

/// Where the packages of a case come from.
struct Packages {
    /// A data folder with a cache of them.
    data: PathBuf,
    /// What makes our program ask them.
    flags: Vec<String>,
}

impl Packages {
    fn fix(&self, image: &str, executor: &str, more: &[&str]) -> Result<Fixed, String> {
        let flags = self.flags.iter().map(String::as_str);
        fixing::fix(&self.data, image, executor, &flags.chain(more.iter().copied()).collect::<Vec<_>>())
    }
}

impl Ground {
    pub(crate) fn new(folder: PathBuf, work: PathBuf, mirrors: (String, String)) -> Self {
        Self {
            data: folder.join("data"),
            folder,
            work,
            mirrors,
            entries: differences::list(),
            used: BTreeSet::new(),
            ran: BTreeSet::new(),
            goes_up: BTreeMap::new(),
        }
    }

    pub(crate) fn rootfs(&self, suite: &str, architecture: &str, set: Set) -> Rootfs {
        Rootfs::kept(&self.folder, suite, architecture, set, &self.mirrors.0)
    }

    /// A plain image of a set, in a folder of its own.
    pub(crate) fn plain(&self, suite: &str, set: Set, name: &str) -> Image {
        let rootfs = self.rootfs(suite, "amd64", set);
        assemble::image(&Variant { set, ..PLAIN }, "amd64", &rootfs, &[], &self.fresh(name))
    }

    pub(crate) fn fresh(&self, name: &str) -> PathBuf {
        let folder = self.work.join(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn goes_up(&mut self, suite: &str, set: Set) -> Vec<String> {
        let key = format!("{suite}-{set:?}");
        if let Some(known) = self.goes_up.get(&key) {
            return known.clone();
        }
        let image = self.plain(suite, set, &format!("{key}-plain"));
        let reference = format!("oci:{}:v1", image.layout.display());
        let plan = fixing::fix(&self.data, &reference, "native", &["--dry-run"]);
        let names = plan.unwrap_or_else(|error| panic!("{key}: {error}")).names();
        fs::remove_dir_all(image.layout.parent().unwrap()).unwrap();
        self.goes_up.insert(key, names.clone());
        names
    }

    /// The whole of it for one image.
    pub(crate) fn image(&mut self, suite: &str, architecture: &str, variant: &Variant, row: &mut Row) {
        let rootfs = self.rootfs(suite, architecture, variant.set);
        let goes_up = if variant.edits.is_empty() { Vec::new() } else { self.goes_up(suite, variant.set) };
        let folder = self.fresh(&format!("{suite}-{architecture}-{}", variant.name));
        let image = assemble::image(variant, architecture, &rootfs, &goes_up, &folder);
        let reference = format!("oci:{}:v1", image.layout.display());
        let mut packages = Packages { data: self.data.clone(), flags: Vec::new() };
        let mut fixed = packages.fix(&reference, "auto", &[]);
        if let Err(error) = &fixed
            && let Some(file) = fixing::lost(error)
        {
            row.reissued = Some(format!("packages made here: the mirror names {file}, and has lost it"));
            let (tree, mirror) = (&rootfs.tree, self.mirrors.1.as_str());
            let flags = Release { suite, architecture, tree, mirror }.reissue(&folder.join("reissued"));
            // In no cache that others take theirs from: they are called as Debian's are.
            packages = Packages { data: folder.join("data"), flags };
            fixed = packages.fix(&reference, "auto", &[]);
        }
        let fixed = match fixed {
            Ok(fixed) => fixed,
            Err(error) => return row.findings.push(error),
        };
        row.upgrades = fixed.upgrades().len();
        row.refused = fixed.refused().len();
        row.executor = fixed.executor().to_owned();
        if fixed.reference.is_none() {
            return row.findings.push(format!("nothing was upgraded: {}", fixed.plan));
        }
        let native = Root { path: &image.tree, architecture }.is_native();
        self.judge(variant, architecture, (&image, &packages), &fixed, &folder, row);
        if native && !variant.distroless {
            self.both(suite, variant, (&image, &packages), &fixed, &folder, row);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    fn judge(
        &self,
        variant: &Variant,
        architecture: &str,
        (image, packages): (&Image, &Packages),
        fixed: &Fixed,
        folder: &Path,
        row: &mut Row,
    ) {
        let (root, theirs) = (folder.join("fixed"), folder.join("distro"));
        unpack::over(&Layout::open(&image.layout), "v1_fixed", &image.tree, &root);
        let mut distro = None;
        let own = Root { path: &theirs, architecture };
        if own.is_native() && !variant.distroless {
            patchline_tests::machine::run(
                std::process::Command::new("cp").arg("--archive").arg(&image.tree).arg(&theirs),
            );
            distro::upgrade(&own, &packages.data, fixed);
            distro = Some(own);
        }
        let root = Root { path: &root, architecture };
        let Packages { data, flags } = packages;
        let case = judge::Case { variant, image, fixed, tag: "v1_fixed", root, distro, data, flags };
        row.findings.extend(case.wrong());
    }

    /// Native and sandbox over the same packages.
    fn both(
        &mut self,
        suite: &str,
        variant: &Variant,
        (image, packages): (&Image, &Packages),
        fixed: &Fixed,
        folder: &Path,
        row: &mut Row,
    ) {
        let layout = |tag: &str| format!("oci:{}:{tag}", image.layout.display());
        let (mut from, mut native) = ("v1", "v1_fixed");
        if fixed.executor() != "native" {
            let plan = match packages.fix(&layout("v1"), "native", &["--dry-run"]) {
                Ok(plan) => plan,
                Err(error) => return row.findings.push(format!("native: {error}")),
            };
            row.scripted = plan.scripted();
            assemble::held(image, variant, &row.scripted, "same");
            (from, native) = ("same", "native");
            let laid = packages.fix(&layout(from), "native", &["--tag", native]);
            match laid.map(|laid| laid.reference) {
                Ok(Some(_)) => {}
                Ok(None) => return row.notes.push("native can upgrade nothing of it".into()),
                Err(error) => return row.findings.push(format!("native: {error}")),
            }
        }
        if let Err(error) = packages.fix(&layout(from), "sandbox", &["--tag", "sandbox"]) {
            return row.findings.push(format!("sandbox: {error}"));
        }
        let (ours, theirs) = (folder.join("native"), folder.join("sandbox"));
        let opened = Layout::open(&image.layout);
        unpack::top(&opened, native, &ours);
        unpack::top(&opened, "sandbox", &theirs);
        let (native, sandbox) = (layout(native), layout("sandbox"));
        let pair = Pair { native: (&native, &ours), sandbox: (&sandbox, &theirs) };
        let (found, used) = differences::unexplained(&packages.data, &self.entries, &pair);
        row.findings.extend(found);
        self.used.extend(used);
        self.ran.insert(format!("{suite}/{}", variant.name));
    }
}
