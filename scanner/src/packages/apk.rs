//! Alpine's database of installed packages: `lib/apk/db/installed`, also of Wolfi and Chainguard.
//!
//! Records are lines of a letter, a colon and a value, and an empty line ends each; letters as in
//! apk-v2(5), "INDEX FORMAT V2" and "INSTALLED DATABASE V2". apk-tools 3 keeps this text, also for
//! packages of its own ADB format (then with SHA-256), and has it under `usr/lib/apk/db`.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use super::{
    dpkg::ParseError,
    limits,
    owned::{Budget, FileDigest, OwnedFile},
};

/// One installed package, as the database has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Installed {
    /// `P`
    pub name: String,
    /// `V`
    pub version: String,
    /// `A`
    pub architecture: String,
    /// `o`: the source package, else the package's name. Advisories are about it.
    pub origin: String,
    /// `L` as written, mostly an SPDX expression.
    pub license: Option<String>,
    /// `c`: the commit of the package's recipe.
    pub commit: Option<String>,
    /// `C`: digest of the package's control segment, which names the exact build.
    pub checksum: Option<FileDigest>,
    /// `D`: what it needs, with operators: `so:libc.musl-x86_64.so.1`, `!conflict`, `a>=1`.
    pub dependencies: Vec<String>,
    /// `p`: what else it stands for.
    pub provides: Vec<String>,
    /// `r`: packages whose files it may overwrite.
    pub replaces: Vec<String>,
    /// `F` and `R`, with the digest of `Z`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<OwnedFile>,
}

/// The installed packages of one database, in its order.
///
/// A record that has a name and no version is left out: apk does not take it for a package either.
/// Unknown letters are skipped. A file before the first folder lies in the root: apko wrote such.
///
/// # Errors
/// A line that is no field, a field that stands twice, a version without a name, a name or a
/// version that cannot be one, an ADB database, more than the module `limits` allows.
pub fn installed(text: &[u8]) -> Result<Vec<Installed>, ParseError> {
    if text.starts_with(b"ADB") {
        return Err(ParseError { line: 1, reason: "is an ADB database, which is not read".to_owned() });
    }
    let mut found = Vec::new();
    let mut record = Record::default();
    let mut budget = Budget::default();
    let mut line = 0;
    for raw in text.split(|b| *b == b'\n') {
        line += 1;
        let fail = |reason: &str| ParseError { line, reason: reason.to_owned() };
        if raw.is_empty() {
            found.extend(std::mem::take(&mut record).finish().map_err(fail)?);
            if found.len() > limits::packages().packages {
                return Err(fail("is in a database of too many packages"));
            }
            continue;
        }
        let [letter, b':', value @ ..] = raw else { return Err(fail("is no field")) };
        if !letter.is_ascii_alphabetic() {
            return Err(fail("is no field"));
        }
        record.field(*letter, value, &mut budget).map_err(fail)?;
    }
    found.extend(record.finish().map_err(|reason| ParseError { line, reason: reason.to_owned() })?);
    Ok(found)
}

/// A record so far.
#[derive(Default)]
struct Record<'a> {
    package: Installed,
    /// Of the last `F`.
    folder: &'a [u8],
    /// Digests belong to files, and to folders and packages in other letters.
    in_file: bool,
}

impl<'a> Record<'a> {
    fn field(&mut self, letter: u8, value: &'a [u8], budget: &mut Budget) -> Result<(), &'static str> {
        let package = &mut self.package;
        match letter {
            b'P' => once(&mut package.name, word(value)?, "repeats the name")?,
            b'V' => once(&mut package.version, word(value)?, "repeats the version")?,
            // Both are empty where a package was made without a recipe, by `apk add --virtual`.
            b'A' if !value.is_empty() => {
                once(&mut package.architecture, word(value)?, "repeats the architecture")?
            }
            b'o' if !value.is_empty() => once(&mut package.origin, word(value)?, "repeats the origin")?,
            b'L' => package.license = text(value)?,
            b'c' => package.commit = text(value)?,
            b'C' => package.checksum = digest(value),
            b'D' => package.dependencies = budget.relations(value)?,
            b'p' => package.provides = budget.relations(value)?,
            b'r' => package.replaces = budget.relations(value)?,
            b'F' => {
                self.folder = value;
                self.in_file = false;
            }
            b'R' => {
                let path = budget.path(self.folder, value)?;
                package.files.push(OwnedFile { path, digest: None });
                self.in_file = true;
            }
            b'Z' if self.in_file => {
                if let Some(file) = package.files.last_mut() {
                    file.digest = digest(value);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// None: no package.
    fn finish(self) -> Result<Option<Installed>, &'static str> {
        let mut package = self.package;
        if package.name.is_empty() && !package.version.is_empty() {
            return Err("ends a record that has no name");
        }
        if package.name.is_empty() || package.version.is_empty() {
            return Ok(None);
        }
        if package.origin.is_empty() {
            package.origin.clone_from(&package.name);
        }
        package.files.shrink_to_fit();
        Ok(Some(package))
    }
}

fn once(slot: &mut String, value: String, repeated: &'static str) -> Result<(), &'static str> {
    if !slot.is_empty() {
        return Err(repeated);
    }
    *slot = value;
    Ok(())
}

fn word(value: &[u8]) -> Result<String, &'static str> {
    let fits =
        !value.is_empty() && value.len() <= limits::packages().word && value.iter().all(u8::is_ascii_graphic);
    if !fits {
        return Err("is no name, version, architecture or origin");
    }
    Ok(String::from_utf8_lossy(value).into_owned())
}

fn text(value: &[u8]) -> Result<Option<String>, &'static str> {
    if value.len() > limits::packages().text {
        return Err("is too long");
    }
    Ok(Some(String::from_utf8_lossy(value).trim().to_owned()).filter(|text| !text.is_empty()))
}

/// `Q1` and SHA-1, `Q2` and SHA-256 in base64; what apk 1 wrote is of no use.
fn digest(value: &[u8]) -> Option<FileDigest> {
    match value {
        [b'Q', b'1', rest @ ..] => decoded(rest).map(FileDigest::Sha1),
        [b'Q', b'2', rest @ ..] => decoded(rest).map(FileDigest::Sha256),
        _ => None,
    }
}

fn decoded<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    // The decoder asks for room for the padding, too.
    let mut bytes = [0; 33];
    let length = BASE64_STANDARD.decode_slice(text, &mut bytes).ok()?;
    bytes[..length].try_into().ok()
}

#[cfg(test)]
#[path = "apk_tests.rs"]
mod tests;
