//! A tag that somebody moves while its image is being mended.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use patchline_tests::{
    image::{Layout, tar},
    machine,
};
use serde_json::{Value, json};

use crate::{
    fixing,
    hostile::{MARK, Yard, refused},
    mirror::{Mirror, Mischief},
    table::Row,
};

/// A mirror that moves a case's tag to another image with the first package that it is asked for: the image was resolved long
/// before. Whether it has.
fn mover(yard: &Yard<'_>, folder: &Path, name: &str) -> (Mirror, Arc<AtomicBool>) {
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
    (Mirror::start(yard.upstream.clone(), mischief), moved)
}

fn moved(done: &AtomicBool, row: &mut Row) {
    if !done.load(Ordering::SeqCst) {
        row.findings.push("no package was asked for: the tag never moved".into());
    }
}

/// While `patchline fix` mends it.
pub(crate) fn run(yard: &Yard<'_>, row: &mut Row) {
    let name = "moved";
    let folder = yard.work.join(name);
    let (mirror, done) = mover(yard, &folder, name);
    let flags = [&mirror.flags()[..], &["--allow-expired".to_owned()]].concat();
    let output = yard.fix(&folder, name, &flags);
    moved(&done, row);
    row.findings.extend(refused(&output, "tag-moved", "the tag v1 points at"));
    row.findings.extend(yard.left(&folder, name));
    fs::remove_dir_all(folder).unwrap();
}

const CHAIN: &str = "
version: 1
chain: hostile
scope: {repositories: ['hostile/**']}
steps:
  scan: {uses: scan}
  fix: {uses: fix, needs: [scan]}
";

/// While the step `fix` of a chain does.
pub(crate) fn in_chain(yard: &Yard<'_>, row: &mut Row) {
    let name = "moved-in-a-chain";
    let folder = yard.work.join(name);
    let (mirror, done) = mover(yard, &folder, name);
    let (image, chain, scratch) = (yard.push(name), folder.join("chain.yaml"), folder.join("tmp"));
    fs::write(&chain, CHAIN).unwrap();
    fs::create_dir_all(&scratch).unwrap();
    let mut command = fixing::program(&folder.join("data"));
    command.args(["chain", "run", "--allow-expired", "--output", "json", "--image", &image]);
    let output = command.args(mirror.flags()).arg(chain).env("TMPDIR", scratch).env(MARK, name).output();
    let output = output.unwrap();
    moved(&done, row);
    let run: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let fix = run["steps"].as_array().into_iter().flatten().find(|step| step["name"] == "fix");
    let told = fix.map(|fix| (&fix["status"], &fix["problem"]["code"]));
    if run["result"] != "failed" || told != Some((&json!("failed"), &json!("tag-moved"))) {
        let said = String::from_utf8_lossy(&output.stderr);
        row.findings.push(format!("the run ended {}, its fix {told:?}: {}", run["result"], said.trim()));
    }
    row.findings.extend(yard.beside(&folder, name));
    fs::remove_dir_all(folder).unwrap();
}
