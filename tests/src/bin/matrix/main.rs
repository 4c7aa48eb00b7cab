//! Images in every shape that we know of, mended for real and looked at from the inside: `cargo xtask matrix fix` starts it.
//!
//! Needs root, mmdebstrap, docker-registry and a mirror of Debian. What docs/matrix.md says is covered is covered here.

#![expect(clippy::disallowed_methods, reason = "how long a case took is told of")]

mod archive;
mod assemble;
mod differences;
mod distro;
mod distroless;
mod fixing;
mod hostile;
mod image_case;
mod inside;
mod judge;
mod keys;
mod layer;
mod mirror;
mod moved;
mod places;
mod reissued;
mod rootfs;
mod scripts;
mod table;
mod unpack;
mod variant;

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use patchline_tests::{
    distribution::{DockerRegistry, free_port},
    machine, server,
};
use serde_json::{Value, json};

use image_case::Ground;
use rootfs::Set;
use table::Row;
use variant::VARIANTS;

/// What the command line says.
struct Arguments(Vec<String>);

impl Arguments {
    fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|a| a == flag)
    }
    fn values(&self, flag: &str) -> Vec<&str> {
        let given = self.0.windows(2).filter(|pair| pair[0] == flag);
        given.flat_map(|pair| pair[1].split(',')).collect()
    }
    /// Whether something of that name is asked for: all is, where nobody names one.
    fn wants(&self, flag: &str, name: &str) -> bool {
        let named = self.values(flag);
        named.is_empty() || named.contains(&name)
    }
}

const SUITES: [&str; 3] = ["bookworm", "bullseye", "trixie"];
const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

fn main() {
    let arguments = Arguments(std::env::args().skip(1).collect());
    let rows = rows(&arguments);
    let wrong = rows.iter().filter(|row| !row.findings.is_empty()).count();
    let told: Vec<Value> = rows.iter().map(Row::json).collect();
    let reissued = rows.iter().filter(|row| row.reissued.is_some()).count();
    eprintln!("{} cases, {wrong} wrong, {reissued} reissued", rows.len());
    println!("{}", json!({"cases": rows.len(), "wrong": wrong, "reissued": reissued, "rows": told}));
    if wrong > 0 {
        std::process::exit(1);
    }
}

fn rows(arguments: &Arguments) -> Vec<Row> {
    if !machine::root()
        || !machine::needs(&["mmdebstrap", "docker-registry", "zstd", "gpg", "unshare", "dpkg-deb"])
    {
        return Vec::new();
    }
    let Some((main, security)) = machine::mirrors() else { return Vec::new() };
    let folder =
        arguments.values("--images").first().map_or_else(|| server::cache().join("matrix"), PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    // Whole trees are copied and removed there: a tmpfs saves most of the time.
    let work = arguments.values("--work").first().map_or_else(|| folder.clone(), PathBuf::from);
    std::fs::create_dir_all(&work).unwrap();
    let work = tempfile::tempdir_in(work).unwrap();
    let mut ground = Ground::new(folder, work.path().to_owned(), (main.clone(), security.clone()));
    let mut rows = Vec::new();
    table::heads();
    images(arguments, &mut ground, &mut rows);
    beside(arguments, &ground, (&main, &security), &mut rows);
    let mut row = Row::named("differences".into());
    row.findings = differences::unused(&ground.entries, &ground.used, &ground.ran);
    row.tell();
    rows.push(row);
    rows
}

/// Every image that is asked for.
fn images(arguments: &Arguments, ground: &mut Ground, rows: &mut Vec<Row>) {
    let emulated = machine::find(inside::QEMU).is_some();
    for suite in SUITES.into_iter().filter(|suite| arguments.wants("--suite", suite)) {
        for architecture in ARCHITECTURES.into_iter().filter(|name| arguments.wants("--arch", name)) {
            let foreign = architecture != "amd64";
            if foreign && !emulated {
                machine::skip(&format!("{suite} on {architecture}: no {} on this machine", inside::QEMU));
                continue;
            }
            let all = VARIANTS.iter().filter(|v| v.foreign || !foreign);
            let all = all.filter(|v| v.ci || !arguments.has("--ci"));
            for variant in all.filter(|v| arguments.wants("--only", v.name)) {
                let name = format!("{suite}/{architecture}/{}", variant.name);
                rows.push(case(name, |row| ground.image(suite, architecture, variant, row)));
            }
        }
    }
}

/// What is done to one image rather than with many.
fn beside(arguments: &Arguments, ground: &Ground, mirrors: (&str, &str), rows: &mut Vec<Row>) {
    let wanted = |name: &str| arguments.wants("--only", name);
    let any = ["places", "mirror", "moved", "scripts"].into_iter().any(wanted);
    if !any || !arguments.wants("--suite", "bookworm") || !arguments.wants("--arch", "amd64") {
        return;
    }
    let image = ground.plain("bookworm", Set::Minbase, "beside");
    if wanted("places") {
        rows.push(case("places".into(), |row| places::run(&image, &ground.fresh("places"), row)));
    }
    let registry = DockerRegistry::start(&ground.work, free_port(), None);
    let key = |name: &str, then| Arc::new(keys::Key::make(&ground.work, name, then));
    let yard = hostile::Yard {
        upstream: mirror::Upstream::new(mirrors.0, mirrors.1),
        registry: &registry,
        image: &image,
        work: &ground.work,
        ours: key("ours", None),
        foreign: key("foreign", None),
        expired: key("expired", Some("20200101T000000!")),
    };
    let cases = if wanted("mirror") { yard.cases() } else { Vec::new() };
    let one = |one: &hostile::Case| case(format!("mirror: {}", one.name), |row| yard.run(one, row));
    let (waits, others): (Vec<_>, Vec<_>) = cases.iter().partition(|one| one.waits);
    std::thread::scope(|scope| {
        // Who waits for a mirror that hangs needs no processor for it.
        let waiting: Vec<_> = waits.into_iter().map(|case| scope.spawn(|| one(case))).collect();
        rows.extend(others.into_iter().map(one));
        if wanted("moved") {
            rows.push(case("moved".into(), |row| moved::run(&yard, row)));
            rows.push(case("moved in a chain".into(), |row| moved::in_chain(&yard, row)));
        }
        if wanted("scripts") {
            let harmed = scripts::image(ground, &ground.fresh("scripts"));
            let yard = hostile::Yard { image: &harmed, ..yard.clone() };
            for one in scripts::CASES {
                rows.push(case(format!("script: {}", one.name), |row| scripts::run(&yard, one, row)));
            }
        }
        rows.extend(waiting.into_iter().map(|case| case.join().expect("a case does not panic")));
    });
}

/// One case; one that fails does not keep the others from being tried.
fn case(name: String, run: impl FnOnce(&mut Row)) -> Row {
    let mut row = Row::named(name);
    let started = Instant::now();
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&mut row))) {
        row.findings.push(format!("it broke off: {}", words(&*panic)));
    }
    row.seconds = started.elapsed().as_secs_f64();
    row.tell();
    row
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word").to_owned()
}
