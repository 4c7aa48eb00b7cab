//! What a package's header says of the package as a whole.

use patchline_scanner::packages::rpm::header::Header;

use super::{Evr, primary::is_word};
use crate::{Error, Result};

/// What a package says of itself, as a text manifest repeats it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Name.
    pub name: String,
    /// Its version.
    pub evr: Evr,
    /// Epoch as written: none and 0 are equal, but not written the same.
    pub epoch: Option<u32>,
    /// `x86_64`
    pub architecture: String,
    /// `Microsoft Corporation`
    pub vendor: Option<String>,
    /// Seconds since the epoch.
    pub build_time: u64,
    /// Bytes of its files.
    pub size: u64,
    /// `openssl-3.3.2-1.azl3.src.rpm`
    pub source_rpm: Option<String>,
}

impl Info {
    /// `[epoch:]version-release` as the scanner writes it: an epoch that is there is written, even where it is 0.
    pub fn written(&self) -> String {
        let evr = Evr { epoch: 0, ..self.evr.clone() };
        match self.epoch {
            Some(epoch) => format!("{epoch}:{evr}"),
            None => evr.to_string(),
        }
    }
}

mod tag {
    pub(super) const NAME: u32 = 1000;
    pub(super) const VERSION: u32 = 1001;
    pub(super) const RELEASE: u32 = 1002;
    pub(super) const EPOCH: u32 = 1003;
    pub(super) const BUILD_TIME: u32 = 1006;
    pub(super) const SIZE: u32 = 1009;
    pub(super) const VENDOR: u32 = 1011;
    pub(super) const ARCH: u32 = 1022;
    pub(super) const SOURCE_RPM: u32 = 1044;
    pub(super) const PAYLOAD_FORMAT: u32 = 1124;
    pub(super) const PAYLOAD_COMPRESSOR: u32 = 1125;
    pub(super) const LONG_SIZE: u32 = 5009;
    pub(super) const PAYLOAD_DIGEST: u32 = 5092;
    pub(super) const PAYLOAD_DIGEST_ALGORITHM: u32 = 5093;
}

/// SHA-256's number in OpenPGP (RFC 9580, 9.5), which rpm uses, too.
pub(super) const SHA256: u64 = 8;

pub(super) fn info(header: &Header<'_>) -> Result<Info, &'static str> {
    let word = |tag| match header.string(tag)?.map(std::str::from_utf8) {
        Some(Ok(text)) if is_word(text) => Ok(text.to_owned()),
        _ => Err("has no name, version, release or architecture"),
    };
    // What goes into a manifest must not look like its next field or line.
    let text = |tag| match header.string(tag)?.map(String::from_utf8_lossy) {
        Some(text) if text.len() > 1024 || text.chars().any(char::is_control) => {
            Err("has a text that is none")
        }
        text => Ok(text.map(|text| text.into_owned()).filter(|text| !text.is_empty())),
    };
    let number = |tag| header.integers(tag, 1).map(|all| all.and_then(|all| all.first().copied()));
    let epoch =
        number(tag::EPOCH)?.map(u32::try_from).transpose().map_err(|_| "has an epoch that is none")?;
    Ok(Info {
        name: word(tag::NAME)?,
        evr: Evr::new(epoch.unwrap_or(0), &word(tag::VERSION)?, &word(tag::RELEASE)?),
        epoch,
        architecture: word(tag::ARCH)?,
        vendor: text(tag::VENDOR)?,
        build_time: number(tag::BUILD_TIME)?.unwrap_or(0),
        size: number(tag::LONG_SIZE)?.or(number(tag::SIZE)?).unwrap_or(0),
        source_rpm: text(tag::SOURCE_RPM)?,
    })
}

/// How the payload is compressed, by the ending that a file of it would have.
pub(super) fn suffix(name: &str, header: &Header<'_>) -> Result<&'static str> {
    let get = |tag, usual: &'static [u8]| {
        header
            .string(tag)
            .map(|text| text.unwrap_or(usual))
            .map_err(|reason| Error::Malformed { file: name.to_owned(), reason: format!("it {reason}") })
    };
    if get(tag::PAYLOAD_FORMAT, b"cpio")? != b"cpio" {
        return Err(Error::Format { file: name.to_owned(), format: "a payload that is no cpio archive" });
    }
    match get(tag::PAYLOAD_COMPRESSOR, b"gzip")? {
        b"gzip" => Ok(".gz"),
        b"xz" => Ok(".xz"),
        b"zstd" => Ok(".zst"),
        b"none" => Ok(""),
        _ => Err(Error::Format { file: name.to_owned(), format: "lzma, bzip2 or another" }),
    }
}

/// None: it has none of a kind that we know, and the signed index vouches for all of the file.
pub(super) fn payload_digest(header: &Header<'_>) -> Result<Option<String>, &'static str> {
    let algorithm = header.integers(tag::PAYLOAD_DIGEST_ALGORITHM, 1)?.and_then(|all| all.first().copied());
    let digest = header.string(tag::PAYLOAD_DIGEST)?.filter(|_| algorithm == Some(SHA256));
    Ok(digest.map(|digest| String::from_utf8_lossy(digest).into_owned()))
}
