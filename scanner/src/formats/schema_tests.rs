//! The documents against the published schemas, where they lie: none of them is kept here.

use std::path::PathBuf;

use boon::{Compiler, Schemas};
use serde_json::Value;

use super::{
    cyclonedx, gitlab, junit, sarif, spdx,
    testdata::{Made, empty, hostile, plain},
};

/// `PATCHLINE_SCHEMAS` names a folder with the schemas under the names that their publishers gave them.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("PATCHLINE_SCHEMAS").map(PathBuf::from)?;
    Some(folder.canonicalize().unwrap())
}

fn holds(name: &str, document: impl Fn(&Made) -> Value) {
    let Some(file) = folder().map(|f| f.join(name)).filter(|f| f.exists()) else {
        println!("skipped: PATCHLINE_SCHEMAS names no folder with {name}");
        return;
    };
    let mut schemas = Schemas::new();
    let mut compiler = Compiler::new();
    compiler.enable_format_assertions();
    let index =
        compiler.compile(file.to_str().unwrap(), &mut schemas).unwrap_or_else(|e| panic!("{name}: {e:#}"));
    for made in [plain(), hostile(), empty()] {
        if let Err(error) = schemas.validate(&document(&made), index) {
            panic!("{name}: {error:#}");
        }
    }
}

fn json<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn cyclonedx_holds() {
    holds("bom-1.6.schema.json", |made| json(&cyclonedx::document(&made.scanned())));
}

#[test]
fn spdx_holds() {
    holds("spdx-schema.json", |made| json(&spdx::document(&made.scanned())));
}

#[test]
fn sarif_holds() {
    holds("sarif-schema-2.1.0.json", |made| json(&sarif::log(&made.scanned())));
}

#[test]
fn gitlab_holds() {
    holds("container-scanning-report-format.json", |made| json(&gitlab::document(&made.scanned())));
}

/// Writes every document there for programs that are not ours to read.
#[test]
fn documents_for_other_programs() {
    let Some(folder) = std::env::var_os("PATCHLINE_DOCUMENTS").map(PathBuf::from) else {
        println!("skipped: PATCHLINE_DOCUMENTS names no folder");
        return;
    };
    for (name, made) in [("plain", plain()), ("hostile", hostile()), ("empty", empty())] {
        let scanned = made.scanned();
        let write = |ending: &str, text: String| {
            std::fs::write(folder.join(format!("{name}.{ending}")), text).unwrap();
        };
        write("cdx.json", json(&cyclonedx::document(&scanned)).to_string());
        write("spdx.json", json(&spdx::document(&scanned)).to_string());
        write("sarif.json", json(&sarif::log(&scanned)).to_string());
        write("gitlab.json", json(&gitlab::document(&scanned)).to_string());
        write("junit.xml", junit::document(&scanned));
    }
}
