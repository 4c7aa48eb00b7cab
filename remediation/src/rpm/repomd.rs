//! `repodata/repomd.xml`: which metadata a repository has, each by its digest.

use std::collections::BTreeMap;

use super::xml::{Reader, Token};
use crate::{
    Error, Result,
    apt::release::{Promise, is_sha256},
};

/// One file of metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Data {
    /// `repodata/…-primary.xml.zst`
    pub(super) path: String,
    /// Of the file as it comes.
    pub(super) promise: Promise,
    /// Bytes unpacked, where it is said.
    pub(super) open: Option<u64>,
}

impl Data {
    /// `.gz`, `.xz`, `.zst`; empty: as it is.
    pub(super) fn suffix(&self) -> Result<&str> {
        for suffix in [".gz", ".xz", ".zst"] {
            if self.path.ends_with(suffix) {
                return Ok(suffix);
            }
        }
        if self.path.ends_with(".xml") {
            return Ok("");
        }
        Err(Error::Format { file: self.path.clone(), format: "bzip2, zchunk or another" })
    }
}

/// What a verified `repomd.xml` names, by type: `primary`, `updateinfo`. `name` stands for it in errors.
///
/// # Errors
/// It is not what createrepo writes; what is wanted has no SHA-256.
pub(super) fn parse(name: &str, text: &[u8]) -> Result<BTreeMap<String, Data>> {
    let malformed = |reason: String| Error::Malformed { file: name.to_owned(), reason };
    let broken = |e: std::io::Error| malformed(e.to_string());
    let mut reader = Reader::new(text);
    let mut all = BTreeMap::new();
    while let Some(token) = reader.next().map_err(broken)? {
        let Token::Open(element, _) = &token else { continue };
        match (reader.path().len(), element.as_str()) {
            (1, "repomd") => {}
            (1, _) => return Err(malformed("it is no repomd.xml".to_owned())),
            (2, "data") => {
                let kind = token.attribute("type").unwrap_or_default().to_owned();
                let wanted = matches!(kind.as_str(), "primary" | "updateinfo");
                match data(&mut reader).map_err(broken)? {
                    Some(data) if wanted => {
                        all.entry(kind).or_insert(data);
                    }
                    None if wanted => {
                        return Err(Error::Unverified {
                            file: name.to_owned(),
                            reason: format!("it has no place, size and SHA-256 of {kind}"),
                        });
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    Ok(all)
}

fn data(reader: &mut Reader<&[u8]>) -> std::io::Result<Option<Data>> {
    let (mut path, mut sha256, mut size, mut open) = (None, None, None, None);
    while let Some(token) = reader.next()? {
        match &token {
            Token::Close(_) if reader.path().len() < 2 => break,
            Token::Open(element, _) if reader.path().len() == 3 => match element.as_str() {
                "location" if token.attribute("base").is_none() => {
                    path = token.attribute("href").map(str::to_owned);
                }
                "checksum" => {
                    let strong = token.attribute("type") == Some("sha256");
                    sha256 = Some(reader.text()?).filter(|text| strong && is_sha256(text));
                }
                "size" => size = reader.text()?.parse().ok(),
                "open-size" => open = reader.text()?.parse().ok(),
                _ => {}
            },
            _ => {}
        }
    }
    let (Some(path), Some(sha256), Some(size)) = (path, sha256, size) else { return Ok(None) };
    Ok(Some(Data { path, promise: Promise { sha256, size }, open }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_has_a_sha256() {
        let sum = "a".repeat(64);
        let text = |kind: &str, sum: &str| {
            format!(
                "<?xml version=\"1.0\"?><repomd xmlns=\"x\"><revision>1</revision><data type=\"filelists\"/>\
                 <data type=\"primary\"><checksum type=\"{kind}\">{sum}</checksum><open-checksum type=\"sha256\">x\
                 </open-checksum><location href=\"repodata/p-primary.xml.zst\"/><size>7</size><open-size>70</open-size>\
                 </data></repomd>"
            )
        };
        let all = parse("x", text("sha256", &sum).as_bytes()).unwrap();
        assert_eq!(all.len(), 1);
        let primary = &all["primary"];
        assert_eq!((primary.promise.size, primary.open, primary.suffix().unwrap()), (7, Some(70), ".zst"));
        for (kind, sum) in [("sha1", sum.as_str()), ("sha256", "xyz")] {
            assert_eq!(parse("x", text(kind, sum).as_bytes()).unwrap_err().code(), "file-unverified");
        }
        assert_eq!(parse("x", b"<html></html>").unwrap_err().code(), "package-malformed");
    }
}
