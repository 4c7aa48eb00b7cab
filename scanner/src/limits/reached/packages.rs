//! Package databases.

use super::{
    Row,
    layers::{Item::File, STATUS, layer},
    row,
};
use crate::packages::rpm::tests::writers;

const APK: &[u8] =
    b"P:first\nV:1.0-r0\nA:x86_64\nL:MIT AND ISC\nD:so:libc.musl so:libz\nF:usr/bin\nR:one\nR:two\n\n\
    P:second\nV:2.0-r0\nA:x86_64\n\n";

fn apk() -> String {
    layer(&[File("lib/apk/db/installed", APK)])
}

fn rpm() -> String {
    layer(&[File("usr/lib/sysimage/rpm/Packages.db", &writers::ndb(&[writers::package("a", 4, 10)]))])
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(("packages", "packages"), 1, "a database of too many packages", apk),
        row(("packages", "fields"), 3, "a stanza of too many fields", || {
            layer(&[File("var/lib/dpkg/status", STATUS)])
        }),
        row(("packages", "files"), 1, "names too many files", apk),
        row(("packages", "path"), 5, "names a path that is too long", apk),
        row(("packages", "paths"), 15, "names too many long paths", apk),
        row(("packages", "word"), 4, "is no name", apk),
        row(("packages", "text"), 5, "is too long", apk),
        row(("packages", "relations"), 1, "names too many dependencies", apk),
        row(("packages", "header-entries"), 5, "has no index of an rpm header", rpm),
        row(("packages", "folders"), 1, "has files without folders", rpm),
    ]
}
