//! Files of languages, Java archives, compiled programs.

use super::{
    Row, known,
    layers::{Item::File, layer},
    row,
};
use crate::languages::{
    binary::tests::{auditable, elf, inline, open_list, pointing},
    java::tests::zip,
};

const LOCK: &[u8] = br#"{"lockfileVersion": 3, "packages": {"node_modules/first": {"version": "1.0.0"},
    "node_modules/second": {"version": "2.0.0"}}}"#;
const PACKAGE: &[u8] =
    br#"{"name": "first", "version": "1.0.0", "licenses": [{"type": "MIT"}, {"type": "ISC"}]}"#;
const CARGO: &[u8] = b"version = 4\n\n[[package]]\nname = \"first\"\nversion = \"1.0.0\"\n";
const PNPM: &[u8] =
    b"---\nlockfileVersion: '9.0'\n---\nlockfileVersion: '9.0'\npackages:\n  first@1.0.0: {}\n";
const CONFIG: &[u8] = b"<packages><package id='A' version='1.0'/></packages>";
const MANIFEST: &[u8] = b"Manifest-Version: 1.0\nImplementation-Title: first\nImplementation-Version: 1.0\n\
    Implementation-Vendor-Id: org.example\n";

fn lock() -> String {
    layer(&[File("app/package-lock.json", LOCK)])
}

fn package() -> String {
    layer(&[File("app/node_modules/first/package.json", PACKAGE)])
}

fn properties(name: &str) -> Vec<u8> {
    format!("groupId=org.example\nartifactId={name}\nversion=1.0\n").into_bytes()
}

fn jar_of(items: &[(&str, &[u8], bool)]) -> String {
    layer(&[File("app/outer.jar", &zip(items))])
}

/// A jar with two others in it, each of one package.
fn jars() -> String {
    let inner = ["one", "two"].map(|name| {
        zip(&[(&format!("META-INF/maven/org.example/{name}/pom.properties"), &properties(name), true)])
    });
    jar_of(&[("lib/one.jar", &inner[0], true), ("lib/two.jar", &inner[1], true)])
}

fn described() -> String {
    let pom: &[u8] =
        b"<project><licenses><license><name>MIT</name></license><license><name>ISC</name></license>\
        </licenses></project>";
    let folder = "META-INF/maven/org.example/first";
    jar_of(&[
        (&format!("{folder}/pom.properties"), &properties("first"), true),
        (&format!("{folder}/pom.xml"), pom, true),
    ])
}

/// An archive behind more than a stream looks through: only who holds all of it finds its directory.
fn behind_a_script() -> String {
    let jar = zip(&[("META-INF/maven/org.example/first/pom.properties", &properties("first"), true)]);
    let script = [vec![b'#'; 70 << 10], jar].concat();
    known(&layer(&[File("app/first.jar", &script)]), "org.example")
}

fn program(content: &[u8]) -> String {
    let bytes = [elf(5000), content.to_vec(), vec![0; 5000]].concat();
    layer(&[File("usr/bin/program", &bytes)])
}

const MODULES: &str = "path\tx.org/app\nmod\tx.org/app\tv1.0.0\t\ndep\tx.org/lib\tv2.0.0\th1:x\n";

fn crates() -> String {
    program(&auditable(r#"{"packages":[{"name":"first","version":"0.1.0","source":"crates.io"}]}"#))
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(("languages", "whole"), 10, "it has more than 10 bytes", lock),
        row(("languages", "table"), 10, "a table has more than 10 bytes", || {
            layer(&[File("app/Cargo.lock", CARGO)])
        }),
        row(("languages", "description"), 10, "it has more than 10 bytes", package),
        row(("languages", "values"), 3, "Unreadable", lock),
        row(("languages", "depth"), 1, "nested too deeply", || layer(&[File("app/packages.config", CONFIG)])),
        row(("languages", "documents"), 1, "too many documents", || {
            layer(&[File("app/pnpm-lock.yaml", PNPM)])
        }),
        row(("languages", "attributes"), 1, "too many attributes", || {
            layer(&[File("app/packages.config", CONFIG)])
        }),
        row(("languages", "components"), 1, "more than 1 packages", lock),
        row(("languages", "notes"), 1, "notes=1;", || {
            let read = jar_of(&[("a.jar", b"no archive", true), ("b.jar", b"no archive", true)]);
            format!(
                "notes={};",
                read.matches("outer.jar").count().min(1) + read.matches(".jar: ").count() - 1
            )
        }),
        row(("languages", "name"), 3, "no usable name", lock),
        row(("languages", "version"), 3, "no usable name", lock),
        row(("languages", "license"), 2, "unknown", || known(&package(), "MIT")),
        row(("languages", "licenses"), 1, "unknown", || known(&package(), "\"ISC\"")),
        row(("archives", "held"), 1, "unknown", behind_a_script),
        row(("archives", "held-one"), 1, "unknown", behind_a_script),
        row(("archives", "inflated"), 20, "too much comes out", described),
        row(("archives", "depth"), 1, "nest deeper than 1", jars),
        row(("archives", "count"), 1, "more than 1 archives in one", jars),
        row(("archives", "entries"), 1, "more than 1 entries in archives", jars),
        row(("archives", "described"), 1, "more than 1 descriptions", jars),
        row(("archives", "pom-licenses"), 1, "unknown", || known(&described(), "\"ISC\"")),
        row(("archives", "entry"), 10, "unknown", || known(&described(), "org.example")),
        row(("archives", "manifest"), 20, "unknown", || {
            known(&jar_of(&[("META-INF/MANIFEST.MF", MANIFEST, true)]), "\"1.0\"")
        }),
        row(("binaries", "capture"), 300, "a list of packages has no end", || program(&open_list(MODULES))),
        row(("binaries", "beginnings"), 1, "more lists of packages begin than can be followed", || {
            program(&[inline("go1.22.1", MODULES), inline("go1.22.1", MODULES)].concat())
        }),
        row(("binaries", "tries"), 1, "more places than can be tried", || program(&[0x78, 0x9c].repeat(50))),
        row(("binaries", "segments"), 1, "unknown", || {
            known(&layer(&[File("usr/bin/program", &pointing())]), "v1.16.4")
        }),
        row(("binaries", "go-versions"), 1, "unknown", || {
            known(&layer(&[File("usr/bin/program", &pointing())]), "v1.16.4")
        }),
        row(("binaries", "crates"), 10, "its list of crates has more than 10 bytes", crates),
    ]
}
