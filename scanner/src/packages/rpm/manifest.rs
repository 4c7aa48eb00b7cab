//! `var/lib/rpmmanifest/container-manifest-2`: what distroless images of CBL-Mariner and Azure
//! Linux have in place of a database. A line a package, made by a query of rpm: name,
//! version-release, time of installation, time of build, vendor, epoch or `(none)`, size,
//! architecture, epoch as a number, source package; with tabs between.

use super::{Installed, ParseError, Place};
use crate::packages::limits;

/// Fields of a line.
const FIELDS: usize = 10;

pub(super) fn installed(bytes: &[u8]) -> Result<Vec<Installed>, ParseError> {
    let mut found = Vec::new();
    for (index, raw) in bytes.split(|b| *b == b'\n').enumerate() {
        let raw = raw.trim_ascii_end();
        if raw.is_empty() {
            continue;
        }
        let fail = |reason: &str| ParseError { at: Place::Line(index + 1), reason: reason.to_owned() };
        if found.len() >= limits::packages().packages {
            return Err(fail("is in a manifest of too many packages"));
        }
        found.push(package(raw).map_err(fail)?);
    }
    Ok(found)
}

fn package(line: &[u8]) -> Result<Installed, &'static str> {
    if line.len() > limits::packages().text {
        return Err("is too long");
    }
    let line = String::from_utf8_lossy(line);
    let mut fields = [""; FIELDS];
    let mut count = 0;
    for field in line.split('\t') {
        *fields.get_mut(count).ok_or("has more than ten fields")? = field;
        count += 1;
    }
    if count != FIELDS {
        return Err("has fewer than ten fields");
    }
    let [name, evr, _, _, vendor, epoch, _, architecture, _, source] = fields;
    let (version, release) = evr.rsplit_once('-').ok_or("has a version without a release")?;
    for word in [name, version, release] {
        if word.is_empty()
            || word.len() > limits::packages().word
            || !word.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err("has a name, version or release that is none");
        }
    }
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty() && text != "(none)");
    let epoch = match given(epoch) {
        Some(number) => Some(number.parse().map_err(|_| "has an epoch that is no number")?),
        None => None,
    };
    Ok(Installed {
        name: name.to_owned(),
        epoch,
        version: version.to_owned(),
        release: release.to_owned(),
        architecture: given(architecture).unwrap_or_default(),
        source_rpm: given(source),
        vendor: given(vendor),
        ..Installed::default()
    })
}
