//! What apk 3 says of a package, in its index and in itself, by the letters of the older index: the installed database still
//! has those (apk-v2(5), "INDEX FORMAT V2").

use std::io;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::Slots;

/// Places of a package's description. Of those that are not named here, none reaches the database.
pub(in crate::apk) const NAME: usize = 1;
pub(in crate::apk) const VERSION: usize = 2;
pub(in crate::apk) const HASHES: usize = 3;
const DESCRIPTION: usize = 4;
const ARCHITECTURE: usize = 5;
const LICENCE: usize = 6;
const ORIGIN: usize = 7;
const MAINTAINER: usize = 8;
const ADDRESS: usize = 9;
const COMMIT: usize = 10;
pub(in crate::apk) const BUILD_TIME: usize = 11;
const INSTALLED_SIZE: usize = 12;
pub(in crate::apk) const FILE_SIZE: usize = 13;
const PRIORITY: usize = 14;
const DEPENDS: usize = 15;
const PROVIDES: usize = 16;
pub(in crate::apk) const REPLACES: usize = 17;
const INSTALL_IF: usize = 18;
/// Places of a relation.
const RELATED: usize = 1;
const RELATED_VERSION: usize = 2;
const HOW: usize = 3;

/// Of a description, in bytes: apk keeps no more.
const DESCRIPTION_SIZE: usize = 512;
/// Bytes of a package's digest that the installed database has, whatever the index promised.
const CUT: usize = 20;

/// The fields of a package, as apk writes them into the installed database.
pub(in crate::apk) fn fields(info: &Slots<'_>) -> io::Result<Vec<(char, String)>> {
    let mut fields = Vec::new();
    let digest = info.blob(HASHES)?;
    if let Some(cut) = digest.get(..CUT) {
        fields.push(('C', format!("Q1{}", BASE64_STANDARD.encode(cut))));
    }
    fields.push(('P', info.text(NAME)?.to_owned()));
    fields.push(('V', info.text(VERSION)?.to_owned()));
    let mut put = |letter, text: String, always| {
        if always || !text.is_empty() {
            fields.push((letter, text));
        }
    };
    let positive = |number: u64| if number == 0 { String::new() } else { number.to_string() };
    put('A', info.text(ARCHITECTURE)?.to_owned(), false);
    put('S', info.integer(FILE_SIZE)?.to_string(), true);
    put('I', info.integer(INSTALLED_SIZE)?.to_string(), true);
    let description = info.text(DESCRIPTION)?;
    put('T', description[..description.floor_char_boundary(DESCRIPTION_SIZE)].to_owned(), true);
    put('U', info.text(ADDRESS)?.to_owned(), true);
    put('L', info.text(LICENCE)?.to_owned(), true);
    put('o', info.text(ORIGIN)?.to_owned(), false);
    put('m', info.text(MAINTAINER)?.to_owned(), false);
    put('t', positive(info.integer(BUILD_TIME)?), false);
    put('c', hex::encode(info.blob(COMMIT)?), false);
    put('k', positive(info.integer(PRIORITY)?), false);
    for (letter, number) in [('D', DEPENDS), ('p', PROVIDES), ('i', INSTALL_IF)] {
        put(letter, relations(info, number)?.join(" "), false);
    }
    Ok(fields)
}

/// Relations in their text form: `musl>=1`, `!other`.
pub(in crate::apk) fn relations(info: &Slots<'_>, number: usize) -> io::Result<Vec<String>> {
    info.objects(number)?.iter().map(relation).collect()
}

fn relation(object: &Slots<'_>) -> io::Result<String> {
    const EQUAL: u64 = 1;
    const LESS: u64 = 2;
    const GREATER: u64 = 4;
    const FUZZY: u64 = 8;
    const CONFLICT: u64 = 16;
    let (name, version) = (object.text(RELATED)?, object.text(RELATED_VERSION)?);
    let how = match object.integer(HOW)? {
        0 => EQUAL,
        how => how,
    };
    let conflict = if how & CONFLICT == 0 { "" } else { "!" };
    if version.is_empty() {
        return Ok(format!("{conflict}{name}"));
    }
    let fuzzy = how & FUZZY != 0;
    let operator = match (how & LESS != 0, how & EQUAL != 0, how & GREATER != 0) {
        (true, _, true) if fuzzy => return Err(io::Error::other("a relation of it is none")),
        // One build, whose digest stands in the place of a version.
        (true, _, true) => "><",
        (true, _, false) if fuzzy => "<~",
        (false, _, true) if fuzzy => ">~",
        (false, _, false) if fuzzy => "~",
        (true, true, false) => "<=",
        (true, false, false) => "<",
        (false, true, true) => ">=",
        (false, false, true) => ">",
        (false, true, false) => "=",
        (false, false, false) => return Err(io::Error::other("a relation of it is none")),
    };
    Ok(format!("{conflict}{name}{operator}{version}"))
}
