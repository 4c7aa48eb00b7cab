//! SBOMs as inventories: CycloneDX and SPDX in JSON, bare, packed by gzip, or within a statement of in-toto.
//!
//! What a package is, is told by its package URL alone. Nothing in a document is believed to be whole: what is not
//! understood is counted and said.

mod attached;
mod claim;
mod cyclonedx;
mod purl;
mod reader;
mod spdx;
mod system;

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use patchline_registry::Digest;

pub use attached::{Attached, attach};
use reader::Reader;

use crate::{
    Error, Inventory, Result,
    languages::tree::{self, Node},
    limits,
};

/// Versions of CycloneDX whose components are alike; JSON begins with 1.2.
const CYCLONEDX: [&str; 6] = ["1.2", "1.3", "1.4", "1.5", "1.6", "1.7"];
/// Versions of SPDX whose packages are alike.
const SPDX: [&str; 2] = ["SPDX-2.2", "SPDX-2.3"];

/// Reads the inventory of an SBOM file; [`Inventory::image`] is the digest of the document, unpacked.
///
/// # Errors
/// A file that is none, or what [`inventory`] says.
pub async fn file(path: &Path) -> Result<Inventory> {
    let path = PathBuf::from(path);
    let work = move || {
        let name = path.display().to_string();
        let failed = |source| Error::Io { operation: format!("read {}", path.display()), source };
        if !std::fs::metadata(&path).map_err(failed)?.is_file() {
            return Err(unreadable(&name, "it is no regular file"));
        }
        let file = File::open(&path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(limits::sbom().size + 1).read_to_end(&mut bytes).map_err(failed)?;
        inventory(&bytes, &name)
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::Io { operation: "read an SBOM".to_owned(), source: std::io::Error::other(e) })?
}

/// Reads the inventory of an SBOM. `name` is what messages call it, and where packages of languages stand that do not
/// say it themselves.
///
/// # Errors
/// A document of another form, one that makes no sense, and one that is larger than a limit.
pub fn inventory(bytes: &[u8], name: &str) -> Result<Inventory> {
    let bytes = unpacked(bytes, name)?;
    read(&bytes, name, None, limits::sbom().envelopes)
        .map(|inventory| Inventory { image: Digest::of(&bytes), ..inventory })
}

fn unreadable(name: &str, reason: impl Into<String>) -> Error {
    Error::Sbom { name: name.to_owned(), reason: reason.into() }
}

/// RFC 1952, where it is packed.
fn unpacked<'a>(bytes: &'a [u8], name: &str) -> Result<std::borrow::Cow<'a, [u8]>> {
    let too_large = || Error::Limit { what: "the size of an SBOM", limit: limits::sbom().size };
    // Packed, too: what was read of a longer file is not all of it.
    if bytes.len() as u64 > limits::sbom().size {
        return Err(too_large());
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes.into());
    }
    let mut out = Vec::new();
    let inflated =
        flate2::bufread::MultiGzDecoder::new(bytes).take(limits::sbom().size + 1).read_to_end(&mut out);
    inflated.map_err(|e| unreadable(name, format!("it cannot be unpacked: {e}")))?;
    if out.len() as u64 > limits::sbom().size { Err(too_large()) } else { Ok(out.into()) }
}

/// Reads a document within at most so many envelopes; where it must be about an image, a statement says so itself.
fn read(bytes: &[u8], name: &str, about: Option<&Digest>, envelopes: usize) -> Result<Inventory> {
    named_form(bytes, name)?;
    let document = tree::json_of(bytes, limits::sbom().values).map_err(|e| unreadable(name, e.reason))?;
    // A bundle of sigstore holds a signature's envelope (DSSE), that one a statement of in-toto, that one the document.
    let envelope = match document.get("dsseEnvelope") {
        Node::Null => &document,
        inner => inner,
    };
    let payload = envelope.get("payload").text();
    if !payload.is_empty() {
        let Some(left) = envelopes.checked_sub(1) else {
            return Err(unreadable(name, "it stands in too many envelopes"));
        };
        let inner = STANDARD.decode(payload).map_err(|e| unreadable(name, format!("its payload: {e}")))?;
        return read(&inner, name, about, left);
    }
    if !document.get("predicateType").is_there() {
        return document_of(&document, name);
    }
    if let Some(about) = about
        && !subjects(&document).any(|digest| digest == about.hex())
    {
        return Err(unreadable(name, "it is a statement about another image"));
    }
    let predicate = document.get("predicate");
    // cosign's statements before version 2 have one more step.
    document_of(if predicate.get("Data").is_there() { predicate.get("Data") } else { predicate }, name)
}

/// SHA-256 digests that a statement is about: in-toto attestation framework 1.0, "Statement".
fn subjects<'n>(statement: &'n Node<'_>) -> impl Iterator<Item = &'n str> {
    statement.get("subject").items().iter().map(|subject| subject.get("digest").get("sha256").text())
}

fn document_of(document: &Node<'_>, name: &str) -> Result<Inventory> {
    let mut reader = Reader::new(name);
    let version = |key: &str| document.get(key).text();
    if document.get("bomFormat").text() == "CycloneDX" {
        known(&CYCLONEDX, "CycloneDX", version("specVersion"), name)?;
        cyclonedx::read(document, &mut reader);
    } else if document.get("spdxVersion").is_there() {
        known(&SPDX, "SPDX", version("spdxVersion"), name)?;
        spdx::read(document, &mut reader);
    } else if document.get("@context").is_there() {
        return Err(form(name, "SPDX 3", "have it written as SPDX 2.3 or CycloneDX in JSON"));
    } else {
        return Err(unreadable(
            name,
            "it is neither CycloneDX nor SPDX: `bomFormat` and `spdxVersion` are missing",
        ));
    }
    Ok(reader.finish(Digest::of(name.as_bytes())))
}

fn known(all: &[&str], form_: &str, version: &str, name: &str) -> Result<()> {
    if all.contains(&version) {
        return Ok(());
    }
    let shown: String = version.chars().filter(|c| !c.is_control()).take(20).collect();
    Err(unreadable(name, format!("its version of {form_} is `{shown}`; {} are read", all.join(", "))))
}

fn form(name: &str, form: &'static str, convert: &'static str) -> Error {
    Error::SbomForm { name: name.to_owned(), form, convert }
}

/// Forms that are known and not read are refused by their names.
fn named_form(bytes: &[u8], name: &str) -> Result<()> {
    let head = &bytes[..bytes.len().min(4096)];
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('<') {
        let form_ = if text.contains("cyclonedx") { "CycloneDX XML" } else { "XML" };
        return Err(form(name, form_, "`cyclonedx convert --output-format json` makes JSON of CycloneDX"));
    }
    if text.starts_with("SPDXVersion:") || text.starts_with("##") {
        return Err(form(name, "SPDX tag-value", "`pyspdxtools -i FILE -o FILE.json` makes JSON of it"));
    }
    if text.starts_with("SPDXID:") || text.starts_with("spdxVersion:") || text.starts_with("---") {
        return Err(form(name, "SPDX YAML", "`pyspdxtools -i FILE -o FILE.json` makes JSON of it"));
    }
    Ok(())
}
