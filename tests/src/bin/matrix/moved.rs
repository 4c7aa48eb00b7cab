//! A tag that somebody moves while its image is being mended.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use patchline_tests::{
    image::{Layout, tar},
    machine,
};

use crate::{
    fixing,
    hostile::{Yard, refused},
    mirror::{Mirror, Mischief},
    table::Row,
};

/// The tag moves with the first package that is asked for: the image was resolved long before.
pub(crate) fn run(yard: &Yard<'_>, row: &mut Row) {
    let name = "moved";
    let folder = yard.work.join(name);
    let other = Layout::create(&folder.join("other"));
    other.image("v1", &[tar(&[("etc/other", Some(b"another image\n"), 0o644)])]);
    let (from, to) =
        (format!("oci:{}:v1", other.dir.display()), format!("{}/hostile/{name}:v1", yard.registry.address));
    let (moved, data) = (Arc::new(AtomicBool::new(false)), folder.join("mover"));
    let done = moved.clone();
    let mischief: Mischief = Arc::new(move |path: &str, answer| {
        if path.ends_with(".deb") && !done.swap(true, Ordering::SeqCst) {
            machine::run(fixing::program(&data).args(["image", "copy", &from, &to]));
        }
        answer
    });
    let mirror = Mirror::start(yard.upstream.clone(), mischief);
    let flags = [&mirror.flags()[..], &["--allow-expired".to_owned()]].concat();
    let output = yard.fix(&folder, name, &flags);
    if !moved.load(Ordering::SeqCst) {
        row.findings.push("no package was asked for: the tag never moved".into());
    }
    row.findings.extend(refused(&output, "tag-moved", "the tag v1 points at"));
    row.findings.extend(yard.left(&folder, name));
    fs::remove_dir_all(folder).unwrap();
}
